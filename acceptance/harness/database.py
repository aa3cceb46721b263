"""PostgreSQL as an independent witness: asyncpg through a port-forward."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import asyncpg

from acceptance.harness.port_forward import PortForward

T = TypeVar("T")
PORT = 5432


class Database:
    """Reads the agent's database; a connection per question, so that a restart of PostgreSQL leaves nothing behind."""

    def __init__(self, forward: PortForward, password: Callable[[], str], user: str, name: str) -> None:
        self._forward = forward
        self._password = password
        self._user = user
        self._name = name

    def rows(self, query: str, *arguments: object, timeout_s: float = 10) -> list[asyncpg.Record]:
        """The rows of a query. Raises OSError, TimeoutError or asyncpg.PostgresError."""

        async def fetch(connection: asyncpg.Connection) -> list[asyncpg.Record]:
            return await connection.fetch(query, *arguments, timeout=timeout_s)

        return self.use(fetch, timeout_s)

    def value(self, query: str, *arguments: object, timeout_s: float = 10) -> Any:
        """The first column of the first row, None without a row."""
        rows = self.rows(query, *arguments, timeout_s=timeout_s)
        return rows[0][0] if rows else None

    def use(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]], timeout_s: float = 10) -> T:
        """What `work` makes of one open connection."""
        host, _, port = self._forward.address(PORT).partition(":")

        async def connected() -> T:
            connection = await asyncpg.connect(
                host=host,
                port=int(port),
                user=self._user,
                password=self._password(),
                database=self._name,
                timeout=timeout_s,
                ssl=False,
            )
            try:
                return await work(connection)
            finally:
                await connection.close(timeout=1)

        return asyncio.run(connected())
