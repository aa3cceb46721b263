"""PostgreSQL, over one pool that heals."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncpg

from app.config import Settings
from app.errors import DependencyUnavailableError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

SCHEMA = Path(__file__).with_name("schema.sql").read_text()
SCHEMA_LOCK = 0x66617374
"""Any number, as long as every replica takes the same."""
FAULTS_OF_THE_DATA = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.PLPGSQLError,
)
"""What the server says about the values it was given; anything else it says is its own state."""


class Database:
    """The agent's database. Opening it needs no server: connections are made, and made again, when they are used."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tables_made = False

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(
            host=self._settings.postgres_host,
            port=self._settings.postgres_port,
            user=self._settings.postgres_user,
            password=self._settings.postgres_password.get_secret_value(),
            database=self._settings.postgres_database,
            ssl=False,  # the backends have no TLS yet, and asking for it would cost each connection a round trip
            timeout=self._settings.database_timeout_seconds,
            min_size=0,
            max_size=10,
            # a server that vanished leaves idle connections that look alive: none is kept for long
            max_inactive_connection_lifetime=self._settings.database_timeout_seconds,
            reset=_keep_as_it_is,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.database_timeout_seconds):
                await self._pool.close()
        self._pool.terminate()

    @asynccontextmanager
    async def connection(self, seconds: float | None = None) -> "AsyncIterator[PoolConnectionProxy]":
        """Lend a connection, by default for `database_timeout_seconds`; DependencyUnavailableError without a server."""
        limit = self._settings.database_timeout_seconds if seconds is None else seconds
        try:
            async with asyncio.timeout(limit), self._pool.acquire() as connection:
                try:
                    yield connection
                except asyncio.CancelledError:
                    connection.terminate()  # giving it back would wait for a frozen server
                    raise
        except FAULTS_OF_THE_DATA:
            raise
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            self._tables_made = self._tables_made and not isinstance(error, asyncpg.UndefinedTableError)
            raise DependencyUnavailableError("database", _reason(error)) from error

    async def check(self, script: str = "") -> None:
        """Ask the server whether it takes writes and runs a script, after making the tables when that is to be done."""
        async with self.connection() as connection:
            if not self._tables_made:
                async with connection.transaction():
                    await connection.execute("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK)
                    await connection.execute(SCHEMA)
                self._tables_made = True
            if await connection.fetchval("SHOW transaction_read_only") == "on":
                raise DependencyUnavailableError("database", "the server is read-only: every write would be refused")
            if script:
                await connection.execute(script)


async def _keep_as_it_is(_: object) -> None:
    """Spare each use a second round trip: nobody but the relay changes a session, and the relay resets it."""


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
