"""PostgreSQL, over one pool that heals."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Self

import asyncpg

from app import SERVICE
from app.config import Settings
from app.database import migration
from app.database.encoding import HOLDING_ANY_TEXT, UNSTORABLE, UnstorableTextError
from app.database.pool import bounded, make_pool
from app.errors import DependencyUnavailableError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

logger = logging.getLogger(__name__)
FAULTS_OF_THE_DATA = (
    asyncpg.DataError,
    asyncpg.CheckViolationError,
    asyncpg.ExclusionViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.UniqueViolationError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.PLPGSQLError,
)
"""What the server says about the values it was given; anything else it says is its own state, a column too many too."""
ABSENCES = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the server has ended the session, and the connection is not closed yet
    OSError,
    TimeoutError,
)
CONNECTIONS = 10
STATEMENTS = 50_000
"""Of a connection, until it is made anew."""
CANCEL_SECONDS = 0.5
"""How long the server may take to let go of a connection, or of a statement that was cancelled, until it is dropped."""
OLDEST = 13
"""The oldest major version on which all works: Dapr's state store needs `gen_random_uuid`. The agent needs 12."""
SERVER = """
SELECT pg_postmaster_start_time() AS started, pg_is_in_recovery() AS in_recovery,
    current_setting('transaction_read_only') = 'on' AS read_only
"""
# its client is gone, or the way to it, and nothing tells the server: what it locked would be locked for hours.
# `idle_in_transaction_session_timeout` knows only half of them: after a Parse without a Sync a session is active
END_SILENT = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE application_name = $1 AND usename = current_user AND xact_start IS NOT NULL AND wait_event = 'ClientRead'
    AND state_change < clock_timestamp() - make_interval(secs => $2)
"""


class Database:
    """The agent's database. Opening it needs no server: connections are made, and made again, when they are used.

    However long a lock is held, and whatever is cancelled meanwhile, no more than its `connections` are at the server.
    When it gets no answer, or its check finds another server at the address, or that one in another state, what is
    `beside` it connects anew.
    """

    def __init__(
        self,
        settings: Settings,
        connections: int = CONNECTIONS,
        statements: int = STATEMENTS,
        beside: "Database | None" = None,
        script: str = "",
    ) -> None:
        self._settings = settings
        self._silent_seconds = settings.sidecar_timeout_seconds + settings.database_timeout_seconds
        self._connections = connections
        self._statements = statements
        self._beside = beside
        self._script = script
        self._migrated = False
        self._taken_back: set[asyncio.Task[None]] = set()
        self._server: asyncpg.Record | None = None
        self._major: int | None = None
        self.encoding: str | None = None
        """The server's own, by PostgreSQL's name; None until there was a connection."""

    @property
    def warning(self) -> str | None:
        """What is wrong with the server though it works, None when nothing is."""
        warnings = []
        if self._major and self._major < OLDEST:
            warnings.append(f"the server is PostgreSQL {self._major}, Dapr's state store expects {OLDEST} or newer")
        if self.encoding not in (None, "UTF8"):
            kept = "texts are kept byte by byte" if self.encoding in HOLDING_ANY_TEXT else "other texts are refused"
            warnings.append(f"the encoding of the database is {self.encoding}, UTF8 is expected: {kept}")
        return "; ".join(warnings) or None

    def members(self) -> dict[str, str]:
        """What there is to report beside whether all is well."""
        return {"warning": self.warning} if self.warning else {}

    async def __aenter__(self) -> Self:
        self._pool = await make_pool(self._settings, self._connections, self._statements, self._note)
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
            async with asyncio.timeout(limit):
                connection = await self._pool.acquire()
                # what is cancelled in a transaction is rolled back, which a silent server does not answer either
                end = asyncio.get_running_loop().call_later(limit + CANCEL_SECONDS, connection.terminate)
                try:
                    async with bounded(connection, self._settings):
                        yield connection
                except asyncio.CancelledError:
                    # nobody waits for that: the server may be frozen
                    taking = asyncio.create_task(self._take_back(connection))
                    self._taken_back.add(taking)
                    taking.add_done_callback(self._taken_back.discard)
                    raise
                except BaseException as error:
                    if isinstance(error, asyncpg.ReadOnlySQLTransactionError):
                        await self.renew()
                    if isinstance(error, asyncpg.InternalClientError):
                        connection.terminate()
                    await self._take_back(connection)
                    raise
                finally:
                    end.cancel()
                await self._take_back(connection)
        except UNSTORABLE as error:
            raise UnstorableTextError(str(error)) from error
        except FAULTS_OF_THE_DATA:
            raise
        except asyncio.CancelledError:
            await self._renew_beside()
            raise
        except ABSENCES as error:
            if isinstance(error, TimeoutError):
                await self._renew_beside()
            self._migrated = self._migrated and not isinstance(error, asyncpg.UndefinedTableError)
            raise DependencyUnavailableError("database", _reason(error)) from error

    @asynccontextmanager
    async def transaction(self, seconds: float) -> "AsyncIterator[PoolConnectionProxy]":
        """Lend a connection for so long, in one transaction, whose statements may take as long."""
        async with self.connection(seconds) as connection, connection.transaction():
            await connection.execute(f"SET LOCAL statement_timeout = {round(1000 * seconds)}")
            yield connection

    async def renew(self) -> None:
        """Make every connection anew, once it is free: it may be with a server that lost its address to another."""
        await self._pool.expire_connections()

    async def _take_back(self, connection: "PoolConnectionProxy") -> None:
        """Take back a connection, once a statement that was cancelled has ended; one that hangs is thrown away."""
        with suppress(*ABSENCES):
            await self._pool.release(connection, timeout=CANCEL_SECONDS)

    async def check(self) -> None:
        """Ask whether the server takes writes and runs the `script`, after migrating the tables when that is due.

        Sessions of ours that are in the way of that, and of everything else, are ended.
        """
        async with self.connection() as connection:
            await self._look_at(connection)
            if ended := await connection.fetchval(END_SILENT, SERVICE, self._silent_seconds):
                logger.warning("Ended %s sessions that were silent in a transaction", ended)
            if not self._migrated:
                await migration.migrate(connection)
                self._migrated = True
            if self._script:
                await connection.execute(self._script)

    async def _renew_beside(self) -> None:
        """Make those anew that are on the same way as what is silent here, or lost its address."""
        if self._beside:
            await self._beside.renew()

    async def _look_at(self, connection: "PoolConnectionProxy") -> None:
        """Find out whose the address is; ReadOnlySQLTransactionError where nothing can be written."""
        (server,) = await connection.fetch(SERVER)
        if self._server not in (None, server):
            await self._renew_beside()
        self._server = server
        if server["read_only"]:
            state = " and in recovery" if server["in_recovery"] else ""
            raise asyncpg.ReadOnlySQLTransactionError(f"the server is read-only{state}: every write would be refused")

    def _note(self, connection: asyncpg.Connection) -> None:
        self.encoding = connection.get_settings().server_encoding
        self._major = connection.get_server_version().major


def _reason(error: Exception) -> str:
    """Why, in a line: PostgreSQL's details and hints are lines of their own."""
    told = "; ".join(str(error).splitlines()) or type(error).__name__
    return f"the server ended the session: {told}" if isinstance(error, asyncpg.InternalClientError) else told
