"""Migrations: the numbered files that bring the tables to this version's schema."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

MIGRATIONS = tuple(path.read_text() for path in sorted(Path(__file__).with_name("migrations").glob("*.sql")))
"""In their order. Each may run again, where tables were lost; the schema's version is how many it has."""
TABLES = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", "".join(MIGRATIONS))
LOCK = 0x66617374
"""Any number, as long as every replica takes the same."""
# what writes waits behind a lock that is waited for: better to try again, and to answer within a check's time
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '400ms'"
VERSIONS = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
# no lock that anybody could wait for
VERSION = """
SELECT coalesce(max(version), 0) FROM schema_migrations
WHERE (SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name)
"""
NOTE = """
WITH lost AS (DELETE FROM schema_migrations WHERE version > $1)
INSERT INTO schema_migrations (version) VALUES ($1) ON CONFLICT (version) DO NOTHING
"""


async def migrate(connection: "PoolConnectionProxy") -> None:
    """Bring the schema to this version, or leave a newer one as it is: neighbouring versions only add.

    LockNotAvailableError when a lock could not be had in time; what was done so far is kept.
    """
    while await _version(connection) < len(MIGRATIONS):
        async with connection.transaction():
            await connection.execute(LOCK_TIMEOUT)
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
            await connection.execute(VERSIONS)
            done = await _version(connection)  # another replica may have been faster
            if done < len(MIGRATIONS):
                await connection.execute(MIGRATIONS[done])
                await connection.execute(NOTE, done + 1)


async def _version(connection: "PoolConnectionProxy") -> int:
    """How many migrations the schema has; 0 when a table is missing."""
    try:
        async with connection.transaction():  # a failure ends no other that may be under way
            version: int = await connection.fetchval(VERSION, TABLES)
    except asyncpg.UndefinedTableError:
        return 0
    return version
