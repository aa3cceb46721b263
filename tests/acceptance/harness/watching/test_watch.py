"""The program that watches from inside the cluster: answering, refusing and frozen are told apart."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from acceptance.harness.probes.toolbox import PROGRAMS
from acceptance.harness.watching.observers import HELLO


@pytest.fixture
def frozen() -> Iterator[int]:
    """Accepts connections, as the kernel does for a stopped process, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def answering(answer: bytes) -> Iterator[int]:
    """A server that says the same to everybody."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(1024)
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    yield server.getsockname()[1]
    server.close()


@pytest.fixture
def web() -> Iterator[int]:
    yield from answering(b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"checks": {}}')


@pytest.fixture
def broker() -> Iterator[int]:
    yield from answering(bytes([0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]))


def test_states_are_told_apart(frozen: int, web: int, broker: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    wanted = {
        "http": {"ready": f"http://127.0.0.1:{web}/ready?for=serving"},
        "backends": {
            "kafka": ["127.0.0.1", frozen, *HELLO["kafka"]],
            "postgres": ["127.0.0.1", nobody, *HELLO["postgres"]],
            "web": ["127.0.0.1", web, *HELLO["postgres"]],
            "broker": ["127.0.0.1", broker, *HELLO["kafka"]],
        },
        "interval_s": 0.1,
        "timeout_s": 2,
        "seconds": 60,
    }
    expected = {"ready": "503", "kafka": "silent", "postgres": "refused", "web": "foreign", "broker": "answers"}
    program = [sys.executable, "-u", str(PROGRAMS / "watch.py"), json.dumps(wanted)]
    seen: set[tuple[str, str]] = set()
    details = {}
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdout
        assert "clock" in watching.stdout.readline()
        while not seen >= expected.items() and (line := watching.stdout.readline()):
            one = json.loads(line)
            seen.add((one["name"], one["state"]))
            details[one["name"], one["state"]] = one["detail"]
    # on a busy machine one that answers may have been too slow once, never the other way round
    assert seen - {(name, "silent") for name in ("ready", "web", "broker")} == set(expected.items())
    assert details["ready", "503"] == '{"checks": {}}'


def test_it_ends_once_nobody_listens_any_more() -> None:
    wanted = {"http": {}, "backends": {"web": ["127.0.0.1", 1, *HELLO["postgres"]]}, "interval_s": 0.1, "timeout_s": 1}
    program = [sys.executable, "-u", str(PROGRAMS / "watch.py"), json.dumps({**wanted, "seconds": 60})]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as watching:
        assert watching.stdin
        assert watching.stdout
        assert "clock" in watching.stdout.readline()
        watching.stdin.close()
        assert watching.wait() == 0
