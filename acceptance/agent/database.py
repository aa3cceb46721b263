"""PostgreSQL as an independent witness, asked from inside the cluster as the state store's Component says."""

import json
import select
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from threading import get_ident
from typing import Any

from acceptance.agent.components import PostgresClient
from acceptance.harness.errors import NotYetError

UNANSWERED_S = 2.0
NET_S = 10
"""Beyond the time of a question: who answers from inside the cluster has ended, or the way to it is cut."""
WRONG_CREDENTIALS = "28"
"""The class of SQLSTATE."""
Row = dict[str, Any]
Ask = Callable[..., list[Row]]


class QueryError(Exception):
    """What PostgreSQL says against a question."""

    def __init__(self, told: str, sqlstate: str | None = None) -> None:
        super().__init__(told)
        self.sqlstate = sqlstate or ""


class DatabaseAwayError(QueryError, NotYetError):
    """PostgreSQL gave no answer."""


class Database:
    """Reads the agent's database, and may change it. What JSON does not know is a text in a row, but for numerics.

    `start` starts the program `sql` inside the cluster.
    """

    def __init__(self, start: Callable[[], subprocess.Popen[str]], client: Callable[[], PostgresClient]) -> None:
        self._start = start
        self._client = client
        # observers ask beside the test: none waits for another's answer
        self._sessions: dict[int, subprocess.Popen[str]] = {}

    def rows(self, query: str, *arguments: object, timeout_s: float = 10) -> list[Row]:
        """The rows of a query. Raises QueryError, of which DatabaseAwayError is one."""
        mine = get_ident()
        if mine in self._sessions and self._sessions[mine].poll() is not None:
            _end(self._sessions.pop(mine))
        if mine not in self._sessions:
            self._sessions[mine] = self._session(self._client(), keep=False)
        return _ask(self._sessions[mine], query, *arguments, timeout_s=timeout_s)

    def value(self, query: str, *arguments: object, timeout_s: float = 10) -> Any:
        """The first column of the first row, None without a row."""
        rows = self.rows(query, *arguments, timeout_s=timeout_s)
        return next(iter(rows[0].values())) if rows else None

    def accepts(self, password: str) -> bool:
        """Whether PostgreSQL takes something for the password."""
        other = Database(self._start, lambda: replace(self._client(), password=password))
        try:
            return bool(other.value("SELECT 1") == 1)
        except QueryError as error:
            if not error.sqlstate.startswith(WRONG_CREDENTIALS):
                raise
            return False
        finally:
            other.close()

    @contextmanager
    def open_query(self) -> Iterator[Callable[[], str]]:
        """One open connection; what it yields says how a query on it was answered, empty when it did not return."""
        with self.connected(timeout_s=UNANSWERED_S) as ask:
            ask("SELECT 1")

            def answered() -> str:
                try:
                    return f"a query on an open connection answered {ask('SELECT 1')}"
                except DatabaseAwayError:
                    return ""

            yield answered

    @contextmanager
    def connected(self, timeout_s: float = 10) -> Iterator[Ask]:
        """What it yields asks on one connection, for `timeout_s` at most."""
        session = self._session(self._client(), keep=True)
        try:
            yield lambda query, *arguments: _ask(session, query, *arguments, timeout_s=timeout_s)
        finally:
            _end(session)

    def close(self) -> None:
        """End what asks."""
        while self._sessions:
            _end(self._sessions.popitem()[1])

    def _session(self, client: PostgresClient, *, keep: bool) -> subprocess.Popen[str]:
        session = self._start()
        _tell(session, {"dsn": client.dsn(), "keep": keep})
        return session


def _ask(session: subprocess.Popen[str], query: str, *arguments: object, timeout_s: float) -> list[Row]:
    _tell(session, {"query": query, "arguments": arguments, "timeout_s": timeout_s})
    assert session.stdout
    if not select.select([session.stdout], [], [], timeout_s + NET_S)[0]:
        _end(session)
        raise DatabaseAwayError(f"no answer within {timeout_s + NET_S:g} s from inside the cluster")
    line = session.stdout.readline()
    try:
        answer = json.loads(line)
    except ValueError:
        rest = "".join(session.stdout).strip()
        _end(session)
        raise DatabaseAwayError(f"who asks from inside the cluster has ended: {rest or line}") from None
    if "error" in answer:
        error = DatabaseAwayError if answer["away"] else QueryError
        raise error(f"{answer['kind']}: {answer['error']}", answer["sqlstate"])
    return [dict(zip(answer["columns"], map(_value, row), strict=True)) for row in answer["rows"]]


def _value(told: Any) -> Any:
    return Decimal(told["numeric"]) if isinstance(told, dict) else told


def _tell(session: subprocess.Popen[str], told: dict[str, Any]) -> None:
    assert session.stdin
    try:
        session.stdin.write(json.dumps(told) + "\n")
        session.stdin.flush()
    except BrokenPipeError as error:
        raise DatabaseAwayError("who asks from inside the cluster has ended") from error


def _end(session: subprocess.Popen[str]) -> None:
    session.terminate()
    session.wait()
    for pipe in (session.stdin, session.stdout):
        if pipe:
            pipe.close()
