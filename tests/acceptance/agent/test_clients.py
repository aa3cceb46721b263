"""How the programs inside the cluster come to Kafka: over TLS, to whom the Component trusts."""

import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import create_connection, create_server
from threading import Thread
from typing import Any

import pytest
import trustme

from acceptance.agent import components
from acceptance.in_cluster import clients


@contextmanager
def serving(authority: trustme.CA, clients_of: trustme.CA | None = None) -> Iterator[int]:
    """A port that speaks TLS, once, and asks for a client's certificate when it is told whose."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    if clients_of:
        clients_of.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"x")
            except OSError:
                connection.close()

        thread = Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(timeout=30)


@pytest.fixture
def shakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., bool]:
    """Whether a client comes through to a server of an authority, with what a Component says of TLS."""
    monkeypatch.chdir(tmp_path)

    def shaken(authority: trustme.CA, clients_of: trustme.CA | None = None, **told: str) -> bool:
        client = components.kafka({"brokers": "localhost", "authType": "mtls", **told})
        clients.FILE.write_text(json.dumps(client.arguments()))
        arguments: dict[str, Any] = clients.kafka()
        assert arguments["security_protocol"] == "SSL"
        with serving(authority, clients_of) as port, create_connection(("127.0.0.1", port)) as plain:
            try:
                with arguments["ssl_context"].wrap_socket(plain, server_hostname="localhost") as secured:
                    return bool(secured.recv(1) == b"x")
            except OSError:
                return False

    return shaken


def pem(authority: trustme.CA) -> str:
    return authority.cert_pem.bytes().decode()


def test_a_broker_is_trusted_by_the_components_own_certificate(shakes: Callable[..., bool]) -> None:
    ours, another = trustme.CA(), trustme.CA()
    assert shakes(ours, caCert=pem(ours))
    assert not shakes(another, caCert=pem(ours))
    assert shakes(another, caCert=pem(ours), skipVerify="true")


def test_a_client_shows_the_components_own_certificate(shakes: Callable[..., bool]) -> None:
    ours = trustme.CA()
    mine = ours.issue_cert("client")
    shown = {
        "clientCert": mine.cert_chain_pems[0].bytes().decode(),
        "clientKey": mine.private_key_pem.bytes().decode(),
    }
    assert shakes(ours, ours, caCert=pem(ours), **shown)
    assert not shakes(ours, ours, caCert=pem(ours))
