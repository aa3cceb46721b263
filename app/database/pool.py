"""How connections to PostgreSQL are made, and what bounds them there: a client gives up by itself, and may be gone."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import asyncpg

from app import SERVICE, tls
from app.config import Settings

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

LOCK_SHARE = 0.75
"""Of the time of a statement, what it may wait for a lock: the server then says that a lock is what it waited for."""


def make_pool(
    settings: Settings, connections: int, statements: int, note: Callable[[asyncpg.Connection], None]
) -> asyncpg.Pool:
    """Make a pool of so many connections at most, none of them made yet; each is noted once, and lasts for so many."""

    async def init(connection: asyncpg.Connection) -> None:
        note(connection)

    per_session = {} if _is_pooled(settings) else _bounds(settings)
    return asyncpg.create_pool(
        host=settings.postgres_host,
        port=settings.postgres_port,
        user=settings.postgres_user,
        password=settings.postgres_password.get_secret_value(),
        database=settings.postgres_database,
        ssl=_tls(settings),
        timeout=settings.database_timeout_seconds,
        min_size=0,
        max_size=connections,
        max_queries=statements,
        server_settings={"application_name": SERVICE} | per_session,
        # a prepared statement stays where it was made
        statement_cache_size=0 if _is_pooled(settings) else 100,
        # a server that vanished leaves idle connections that look alive: none is kept for long
        max_inactive_connection_lifetime=settings.database_timeout_seconds,
        init=init,
        reset=_end_transaction,
    )


@asynccontextmanager
async def bounded(connection: "PoolConnectionProxy", settings: Settings) -> AsyncIterator[None]:
    """Bound what follows in a transaction, where a pooler gives each transaction another session of the server."""
    if not _is_pooled(settings):
        yield
        return
    async with connection.transaction():
        await connection.execute(";".join(f"SET LOCAL {name} = {value}" for name, value in _bounds(settings).items()))
        yield


def _tls(settings: Settings) -> ssl.SSLContext | Literal[False]:
    # to ask a server without TLS for it would cost each connection a round trip
    return settings.postgres_ssl_mode == "verify-full" and tls.context(settings.postgres_ssl_root_cert)


def _is_pooled(settings: Settings) -> bool:
    return settings.postgres_pooling == "transaction"


def _bounds(settings: Settings) -> dict[str, str]:
    milliseconds = 1000 * settings.database_timeout_seconds
    return {"statement_timeout": str(round(milliseconds)), "lock_timeout": str(round(LOCK_SHARE * milliseconds))}


async def _end_transaction(connection: asyncpg.Connection) -> None:
    """Spare each use a second round trip: nothing outlives a transaction, and none is left open but by a failure."""
    if connection.is_in_transaction():
        await connection.execute("ROLLBACK")
