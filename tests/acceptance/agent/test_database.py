"""PostgreSQL as a witness: it answers, and it is told apart from one that is frozen."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import trustme

from acceptance.agent.components import PostgresClient
from acceptance.agent.database import Database, DatabaseAwayError, QueryError
from tests.app.postgres import PASSWORD, PostgresServer

SQL = [sys.executable, "-u", "-m", "acceptance.in_cluster.sql"]
PIPES = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    server.start()
    yield server
    server.remove()


def reached(
    server: PostgresServer, password: str = PASSWORD, tls: dict[str, str] | None = None
) -> AbstractContextManager[Database]:
    client = PostgresClient("127.0.0.1", server.port, "postgres", "postgres", password, tls or {})
    return closing(Database(partial(subprocess.Popen, SQL, **PIPES, text=True, bufsize=1), lambda: client))


def test_it_answers_with_rows_and_values(server: PostgresServer) -> None:
    with reached(server) as database:
        assert database.rows("SELECT n FROM generate_series(1, $1::int) AS n", 2) == [{"n": 1}, {"n": 2}]
        assert database.value("SELECT 1 WHERE false") is None
        assert database.rows("SELECT 1.10::numeric AS n, now() AS at, NULL AS x")[0]["n"] == Decimal("1.10")
        assert database.rows("CREATE TABLE made ()") == []


@pytest.fixture
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[PostgresServer, Path]]:
    """A server that speaks TLS, and the certificate of who vouches for it."""
    server, authority = PostgresServer(), trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    folder = tmp_path_factory.mktemp("tls")
    ca = folder / "ca.pem"
    authority.cert_pem.write_to_path(ca)
    server.keep("server.pem", b"".join(one.bytes() for one in certificate.cert_chain_pems))
    server.keep("server.key", certificate.private_key_pem.bytes())
    server.start(ssl="on", ssl_cert_file="../server.pem", ssl_key_file="../server.key")
    yield server, ca
    server.remove()


def test_a_server_is_asked_over_tls_as_the_component_says(secured: tuple[PostgresServer, Path], tmp_path: Path) -> None:
    server, ca = secured
    trustme.CA().cert_pem.write_to_path(tmp_path / "another.pem")
    speaks_tls = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    with reached(server, tls={"sslmode": "verify-full", "sslrootcert": str(ca)}) as database:
        assert database.value(speaks_tls) is True
    with reached(server, tls={"sslmode": "disable"}) as database:
        assert database.value(speaks_tls) is False
    other = {"sslmode": "verify-full", "sslrootcert": str(tmp_path / "another.pem")}
    with reached(server, tls=other) as database, pytest.raises(DatabaseAwayError, match="CERTIFICATE_VERIFY_FAILED"):
        database.value(speaks_tls)


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
    monkeypatch.setattr("acceptance.agent.database.UNANSWERED_S", 0.5)
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
    programs = [SQL, SQL, [sys.executable, "-c", "raise SystemExit('no asyncpg')"], SQL]

    def start() -> subprocess.Popen[str]:
        started.append(subprocess.Popen(programs[len(started)], **PIPES, text=True, bufsize=1))  # type: ignore[call-overload]
        return started[-1]

    client = PostgresClient("127.0.0.1", server.port, "postgres", "postgres", PASSWORD)
    with closing(Database(start, lambda: client)) as database:
        for answer in (1, 2):
            assert database.value(f"SELECT {answer}") == answer
            started[-1].kill()
            started[-1].wait()
        with pytest.raises(DatabaseAwayError, match="has ended"):
            database.value("SELECT 3")
        started[-1].wait()
        assert database.value("SELECT 4") == 4
