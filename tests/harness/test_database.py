"""PostgreSQL as a witness: it answers, and it is told apart from one that is frozen."""

import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import asyncpg
import pytest

from acceptance.harness.database import Database
from acceptance.harness.port_forward import PortForward
from tests.app.postgres import PASSWORD, PostgresServer


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def reached(server: PostgresServer, password: str = PASSWORD) -> Database:
    forward = cast("PortForward", SimpleNamespace(address=lambda _: f"127.0.0.1:{server.port}"))
    return Database(forward, lambda: password, "postgres", "postgres")


def test_it_answers_with_rows_and_values(server: PostgresServer) -> None:
    database = reached(server)
    assert [row["n"] for row in database.rows("SELECT n FROM generate_series(1, $1::int) AS n", 3)] == [1, 2, 3]
    assert database.value("SELECT 1 WHERE false") is None


def test_a_wrong_password_is_no_reason_to_wait(server: PostgresServer) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        reached(server, password="another").value("SELECT 1")


def test_an_open_query_is_answered_unless_the_server_is_frozen(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acceptance.harness.database.UNANSWERED_S", 0.3)
    with reached(server).open_query() as answered:
        assert "SELECT" not in answered()
        assert "answered" in answered()
        server.freeze()
        assert answered() == ""
        server.thaw()


def test_a_forward_that_leads_nowhere_is_renewed_once(server: PostgresServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        ports = [gone.getsockname()[1]]
    ports.append(server.port)
    forward = SimpleNamespace(address=lambda _: f"127.0.0.1:{ports[0]}", renew=lambda: ports.pop(0))
    assert Database(cast("PortForward", forward), lambda: PASSWORD, "postgres", "postgres").value("SELECT 1") == 1
