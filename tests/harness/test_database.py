"""PostgreSQL as a witness: it answers, and it is told apart from one that is frozen."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from decimal import Decimal
from functools import partial

import pytest

from acceptance.harness.components import PostgresClient
from acceptance.harness.database import Database, DatabaseAwayError, QueryError
from tests.app.postgres import PASSWORD, PostgresServer

SQL = [sys.executable, "-u", "-m", "acceptance.in_cluster.sql"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def reached(server: PostgresServer, password: str = PASSWORD) -> AbstractContextManager[Database]:
    client = PostgresClient("127.0.0.1", server.port, "postgres", "postgres", password)
    return closing(Database(partial(subprocess.Popen, SQL, **PIPES, text=True, bufsize=1), lambda: client))


def test_it_answers_with_rows_and_values(server: PostgresServer) -> None:
    with reached(server) as database:
        assert database.rows("SELECT n FROM generate_series(1, $1::int) AS n", 2) == [{"n": 1}, {"n": 2}]
        assert database.value("SELECT 1 WHERE false") is None
        assert database.rows("SELECT 1.10::numeric AS n, now() AS at, NULL AS x")[0]["n"] == Decimal("1.10")
        assert database.rows("CREATE TABLE made ()") == []


def test_what_the_server_refuses_is_no_reason_to_wait(server: PostgresServer) -> None:
    with reached(server) as database:
        with pytest.raises(QueryError, match="UndefinedTableError") as refused:
            database.value("SELECT 1 FROM nowhere")
        assert not isinstance(refused.value, DatabaseAwayError)
        # and the next question is answered
        assert database.value("SELECT 1") == 1


def test_a_password_is_taken_or_not(server: PostgresServer) -> None:
    with reached(server, password="another") as database:
        with pytest.raises(QueryError, match="password authentication failed"):
            database.value("SELECT 1")
        assert not database.accepts("a third")
        assert database.accepts(PASSWORD)


def test_an_open_query_is_answered_unless_the_server_is_frozen(
    server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("acceptance.harness.database.UNANSWERED_S", 0.5)
    with reached(server) as database, database.open_query() as answered:
        assert "answered" in answered()
        server.freeze()
        assert answered() == ""
        server.thaw()


def test_a_server_that_was_restarted_is_asked_anew(server: PostgresServer) -> None:
    with reached(server) as database:
        assert database.value("SELECT 1") == 1
        server.take_away("stopped")
        with pytest.raises(DatabaseAwayError, match="Connect call failed"):
            database.value("SELECT 1")
        server.restore()
        assert database.value("SELECT 1") == 1


def test_who_asks_may_end_and_is_started_anew(server: PostgresServer) -> None:
    started: list[subprocess.Popen[str]] = []

    def start() -> subprocess.Popen[str]:
        started.append(subprocess.Popen(SQL, **PIPES, text=True, bufsize=1))  # type: ignore[call-overload]
        return started[-1]

    client = PostgresClient("127.0.0.1", server.port, "postgres", "postgres", PASSWORD)
    with closing(Database(start, lambda: client)) as database:
        assert database.value("SELECT 1") == 1
        started[-1].kill()
        started[-1].wait()
        assert database.value("SELECT 2") == 2
        started[-1].kill()
        with pytest.raises(DatabaseAwayError, match="has ended"):
            database.value("SELECT 3")
