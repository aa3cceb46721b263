"""PostgreSQL as an independent witness: asyncpg through a port-forward."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from acceptance.harness.port_forward import PortForward

PORT = 5432
UNANSWERED_S = 2.0


class Database:
    """Reads the agent's database; a connection per question, so that a restart of PostgreSQL leaves nothing behind."""

    def __init__(self, forward: PortForward, password: Callable[[], str], user: str, name: str) -> None:
        self._forward = forward
        self._password = password
        self._user = user
        self._name = name

    def rows(self, query: str, *arguments: object, timeout_s: float = 10) -> list[asyncpg.Record]:
        """The rows of a query. Raises OSError, TimeoutError or asyncpg.PostgresError."""
        with self.connected(timeout_s) as ask:
            return ask(query, *arguments)

    def value(self, query: str, *arguments: object, timeout_s: float = 10) -> Any:
        """The first column of the first row, None without a row."""
        rows = self.rows(query, *arguments, timeout_s=timeout_s)
        return rows[0][0] if rows else None

    def accepts(self, password: str) -> bool:
        """Whether PostgreSQL takes something for the password."""
        other = Database(self._forward, lambda: password, self._user, self._name)
        try:
            return bool(other.value("SELECT 1") == 1)
        except asyncpg.InvalidAuthorizationSpecificationError:
            return False

    @contextmanager
    def open_query(self) -> Iterator[Callable[[], str]]:
        """One open connection; what it yields says how a query on it was answered, empty when it did not return."""
        with self.connected(timeout_s=UNANSWERED_S) as ask:

            def answered() -> str:
                try:
                    return f"a query on an open connection answered {ask('SELECT 1')}"
                except TimeoutError:
                    return ""

            yield answered

    @contextmanager
    def connected(self, timeout_s: float = 10) -> Iterator[Callable[..., list[asyncpg.Record]]]:
        """One open connection; what it yields asks a query on it, for `timeout_s` at most."""
        with asyncio.Runner() as runner:
            try:
                connection = runner.run(self._connect(timeout_s))
            except (ConnectionError, asyncpg.ConnectionDoesNotExistError):
                # The forward led to a pod that is gone, which shows only when something is asked.
                self._forward.renew()
                connection = runner.run(self._connect(timeout_s))

            def ask(query: str, *arguments: object) -> list[asyncpg.Record]:
                return runner.run(connection.fetch(query, *arguments, timeout=timeout_s))

            try:
                yield ask
            finally:
                # Closing politely waits for the server's end, which a port-forward does not pass on.
                connection.terminate()
                runner.run(asyncio.sleep(0))

    async def _connect(self, timeout_s: float) -> asyncpg.Connection:
        host, _, port = self._forward.address(PORT).partition(":")
        return await asyncpg.connect(
            host=host,
            port=int(port),
            user=self._user,
            password=self._password(),
            database=self._name,
            timeout=timeout_s,
            ssl=False,
        )
