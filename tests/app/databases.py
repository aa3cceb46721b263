"""Databases of a test's own on the run's PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg

from tests.app.postgres import PASSWORD, PostgresServer


async def connected(server: PostgresServer, database: str = "postgres") -> asyncpg.Connection:
    """Connect to a database of a server."""
    return await asyncpg.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, database=database
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
