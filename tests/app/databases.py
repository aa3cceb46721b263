"""Databases of a test's own on the run's PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from app import SERVICE
from tests.app.postgres import PASSWORD, PostgresServer

SESSIONS = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{SERVICE}'"  # noqa: S608 - ours
END_SESSIONS = SESSIONS.replace("count(*)", "pg_terminate_backend(pid)")


async def connected(server: PostgresServer, database: str = "postgres", name: str = "test") -> asyncpg.Connection:
    """Connect to a database of a server under an application's name."""
    return await asyncpg.connect(
        host="127.0.0.1",
        port=server.port,
        user="postgres",
        password=PASSWORD,
        database=database,
        server_settings={"application_name": name},
    )


@asynccontextmanager
async def new_database(server: PostgresServer, encoding: str = "UTF8") -> AsyncIterator[str]:
    """Make an empty database of an encoding, and drop it in the end."""
    name = f"test_{uuid4().hex}"
    owner = await connected(server)
    await owner.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    yield name
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()
