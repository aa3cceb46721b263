"""Telling a port that speaks plaintext from one that insists on TLS."""

import socket
import threading
from collections.abc import Iterator

import pytest

from acceptance.agent.plaintext import first_answer

SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
# A TLS alert record: handshake_failure.
ALERT = bytes([21, 3, 3, 0, 2, 2, 40])


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(request.param)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    thread.join(timeout=5)
    server.close()


@pytest.mark.parametrize("answering", [SETTINGS], indirect=True)
def test_a_port_that_goes_on_in_plaintext_is_seen(answering: str) -> None:
    answer = first_answer(answering)
    assert answer.plaintext_http2
    assert not answer.tls


@pytest.mark.parametrize("answering", [ALERT], indirect=True)
def test_a_port_that_insists_on_tls_is_seen(answering: str) -> None:
    answer = first_answer(answering)
    assert not answer.plaintext_http2
    assert answer.tls
