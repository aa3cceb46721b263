"""Whatever proxy variables say, what is on this machine is reached without a proxy."""

import os
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
import requests
from kubernetes import client
from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from acceptance.harness.kube import proxies
from cluster import __main__ as command


class Server(BaseHTTPRequestHandler):
    """Says who it is: a proxy is asked for a whole URL."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"a proxy" if self.path.startswith("http") else b"loopback")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _kubernetes(url: str) -> str:
    api = client.ApiClient(client.Configuration(host=url))
    answer = api.rest_client.request("GET", f"{url}/")  # type: ignore[no-untyped-call]  # as shipped
    return bytes(answer.read()).decode()


def _urllib(url: str) -> str:
    # a new opener: urlopen keeps the variables that it saw first
    with urllib.request.build_opener().open(f"{url}/") as answer:
        return str(answer.read().decode())


def _websockets(url: str) -> str:
    return "a proxy" if get_proxy(parse_uri(url.replace("http", "ws", 1))) else "loopback"


CLIENTS: dict[str, Callable[[str], str]] = {
    "urllib": _urllib,
    "httpx": lambda url: httpx.get(f"{url}/").text,
    "requests": lambda url: requests.get(f"{url}/", timeout=30).text,
    "kubernetes": _kubernetes,
    "websockets": _websockets,
}
# urllib knows no proxy for everything; a WebSocket takes that of HTTPS.
READ_BY = {
    "HTTP_PROXY": ("urllib", "httpx", "requests", "kubernetes"),
    "http_proxy": ("urllib", "httpx", "requests", "kubernetes"),
    "ALL_PROXY": ("httpx", "requests", "kubernetes"),
    "https_proxy": ("websockets",),
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    # so that what is set here goes with the test
    for name in proxies.VARIABLES:
        monkeypatch.setenv(name, "")


@pytest.fixture
def url() -> Iterator[str]:
    """The address of a server on loopback, which is the proxy too."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("variable", READ_BY)
def test_every_client_spares_loopback_once_it_is_told_to(
    url: str, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, url)
    assert {name: CLIENTS[name](url) for name in READ_BY[variable]} == dict.fromkeys(READ_BY[variable], "a proxy")
    proxies.spare()
    assert {name: CLIENTS[name](url) for name in CLIENTS} == dict.fromkeys(CLIENTS, "loopback")


@pytest.mark.parametrize("variable", proxies.VARIABLES)
def test_what_is_spared_already_stays_so_for_who_reads_the_other_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv(variable, "corp.example, 10.0.0.0/8")
    proxies.spare("172.18.0.2")
    proxies.spare()
    assert os.environ["no_proxy"] == os.environ["NO_PROXY"]
    assert os.environ[variable].split(",") == ["corp.example", "10.0.0.0/8", *proxies.SPARED, "172.18.0.2"]


def test_where_everything_is_spared_it_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "*")
    proxies.spare()
    assert [os.environ[name] for name in proxies.VARIABLES] == ["*", "*"]


def test_the_commands_spare_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example")
    monkeypatch.setattr(command, "COMMANDS", {"look": lambda: None})
    assert command.main(["look"]) == 0
    assert "127.0.0.1" in os.environ["NO_PROXY"].split(",")


def test_without_a_proxy_nothing_is_said_about_one() -> None:
    proxies.spare()
    assert [os.environ[name] for name in proxies.VARIABLES] == ["", ""]
