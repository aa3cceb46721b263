"""How PostgreSQL finds what a statement of the event path needs: over an index, however many rows there are."""

import json
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from app.consume import effects, history
from app.database.postgres import Database
from app.dead_letters import table
from app.health import activity
from app.outbox import store
from app.statements import STATEMENTS

pytestmark = pytest.mark.anyio

NAMES = {
    value: f"{module.__name__.removeprefix('app.')}.{name}"
    for module in (effects, history, store, table, activity)
    for name, value in vars(module).items()
    if isinstance(value, str) and value in STATEMENTS
}
READING_ALL = {"dead_letters.table.PAGE", "dead_letters.table.CHOSEN"}
"""What an operator may ask for by any of its columns: it has 30 s."""
FILL = """
INSERT INTO processed_events (id, source, key, message, metadata, digest)
SELECT 'plan-' || n, 'plans', 'plan-' || n % 1000, 'm', '{}', '' FROM generate_series(1, 20000) AS n;
INSERT INTO effects (event_id, source, key, amount)
SELECT 'plan-' || n, 'plans', 'plan-' || n % 1000, 1 FROM generate_series(1, 20000) AS n;
INSERT INTO totals (key, count, amount) SELECT 'plan-' || n, 1, 1 FROM generate_series(1, 20000) AS n;
INSERT INTO failed_events (id, digest, reason) SELECT 'plan-' || n, '', 'why' FROM generate_series(1, 20000) AS n;
INSERT INTO outbox (id, key, data, digest, published_at)
SELECT 'plan-' || n, 'plan-' || n % 1000, '{}', '', CASE WHEN n % 2 = 0 THEN now() END
FROM generate_series(1, 20000) AS n;
INSERT INTO dead_letters (position, id, reason, attempts, key, original)
SELECT 'plan-' || n, 'plan-' || n, 'why', 1, '', '' FROM generate_series(1, 20000) AS n;
ANALYZE;
"""


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's nodes, from its top."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


async def scanned(connection: asyncpg.Connection, statement: str) -> list[str]:
    """The tables that a statement reads from end to end, whatever its parameters are."""
    count = len(set(re.findall(r"[$]\d+", statement)))
    await connection.execute(f"PREPARE planned AS {statement}")
    values = f"({', '.join(['NULL'] * count)})" if count else ""
    found = await connection.fetchval(f"EXPLAIN (FORMAT JSON) EXECUTE planned{values}")
    await connection.execute("DEALLOCATE planned")
    return [node["Relation Name"] for node in nodes(json.loads(found)[0]["Plan"]) if node["Node Type"] == "Seq Scan"]


@pytest.fixture
async def filled(database: Database, sql: asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    """A connection to tables with many rows, which plans as for any parameters."""
    del database  # which has made them
    filling = sql.transaction()
    await filling.start()
    await sql.execute(FILL)
    await sql.execute("SET LOCAL plan_cache_mode = force_generic_plan")
    yield sql
    await filling.rollback()


async def test_no_statement_of_the_event_path_reads_a_whole_table(filled: asyncpg.Connection) -> None:
    read = {NAMES[statement]: await scanned(filled, statement) for statement in STATEMENTS}
    assert {name: tables for name, tables in read.items() if tables and name not in READING_ALL} == {}


async def test_a_statement_that_reads_a_whole_table_is_found(filled: asyncpg.Connection) -> None:
    assert await scanned(filled, "SELECT FROM effects WHERE event_id = $1") == ["effects"]
