"""The program that sends steady traffic, and what is read from what became of it."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast

import pytest

from acceptance.harness.errors import NotYetError
from acceptance.harness.load import Load, failed, slowest_s
from acceptance.harness.timeline import Seen, Timeline
from acceptance.harness.toolbox import PROGRAMS, Toolbox


class Server(BaseHTTPRequestHandler):
    """Answers by path: /closing ends the connection, /away says 503."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        body = b'{"id": "7"}'
        self.send_response(503 if self.path == "/away" else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.path == "/closing":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_each_request_is_told_with_what_became_of_it(web: str) -> None:
    streams = [
        {"name": name, "method": "GET", "url": url, "per_second": 20, "keep": keep}
        for name, url, keep in (
            ("kept", f"{web}/", True),
            ("closing", f"{web}/closing", True),
            ("new", f"{web}/closing", False),
            ("away", f"{web}/away", False),
            ("nobody", "http://127.0.0.1:1/", False),
        )
    ]
    wanted = json.dumps({"streams": streams, "seconds": 1, "timeout_s": 2})
    program = [sys.executable, "-u", str(PROGRAMS / "load.py"), wanted]
    done = subprocess.run(program, capture_output=True, text=True, timeout=20, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines()][1:]
    states = {one["name"]: one["state"] for one in lines}
    assert states == {
        "kept": "200",
        "closing": "200 closing",
        "new": "200",
        "away": "503",
        "nobody": "ClientConnectorError",
    }
    assert 15 <= sum(one["name"] == "kept" for one in lines) <= 21


def test_answers_are_told_from_failures() -> None:
    timeline = Timeline()
    states = ("200", "200 closing", "503", "TimeoutError")
    timeline.seen = [
        Seen(number, "publish", state, 1000 * number, '{"id": "7"}') for number, state in enumerate(states)
    ]
    load = Load(timeline, cast("Toolbox", None))
    assert [one.state for one in failed(load.answers("publish"))] == ["503", "TimeoutError"]
    assert slowest_s(load.answers("publish")) == 3
    assert load.acknowledged("publish") == {"7"}
    with pytest.raises(NotYetError, match="query"):
        load.answers("query")
