"""Readiness sees whether the statements of an event can run."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.consume import effects, history
from app.dead_letters import table
from app.health import activity
from app.main import create_app
from app.outbox import backlog, store
from app.statements import STATEMENTS
from tests.app.client import assert_problem, cloud_event, deliver, running, until_failing, until_ready
from tests.app.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]

TABLES = ["processed_events", "effects", "totals", "failed_events", "outbox", "dead_letters"]
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
BREAKS = [
    # what somebody does, how it is undone, and what /ready says of it
    ("ALTER TABLE effects RENAME amount TO amt", "ALTER TABLE effects RENAME amt TO amount", '"amount"'),
    ("ALTER TABLE outbox RENAME created_at TO born", "ALTER TABLE outbox RENAME born TO created_at", '"created_at"'),
    ("ALTER TABLE dead_letters RENAME reason TO why", "ALTER TABLE dead_letters RENAME why TO reason", '"reason"'),
    (
        "ALTER TABLE totals DROP CONSTRAINT totals_pkey",
        "ALTER TABLE totals ADD CONSTRAINT totals_pkey PRIMARY KEY (key)",
        "ON CONFLICT",
    ),
]
RIGHTS = [("INSERT", table) for table in TABLES] + [
    ("UPDATE", "processed_events"),
    ("UPDATE", "totals"),
    ("UPDATE", "failed_events"),
    ("UPDATE", "outbox"),
    ("UPDATE", "dead_letters"),
    ("DELETE", "outbox"),
    ("SELECT", "processed_events"),
    ("SELECT", "effects"),
]


@pytest.fixture
async def role(settings: Settings, sql: asyncpg.Connection) -> AsyncIterator[Settings]:
    """Settings of an agent that is no superuser, and makes and owns its tables."""
    await sql.execute(f"DROP TABLE IF EXISTS schema_migrations, {', '.join(TABLES)}")
    await sql.execute("CREATE ROLE agent LOGIN PASSWORD 'not-a-secret'; GRANT CREATE ON SCHEMA public TO agent")
    yield settings.model_copy(update={"postgres_user": "agent"})
    await sql.execute("DROP OWNED BY agent; DROP ROLE agent")


@pytest.mark.parametrize(("breaks", "mends", "told"), BREAKS, ids=[one[0] for one in BREAKS])
async def test_ready_names_what_a_statement_lacks_until_it_is_put_back(
    agent: httpx.AsyncClient, sql: asyncpg.Connection, breaks: str, mends: str, told: str
) -> None:
    await sql.execute(breaks)
    try:
        await until_failing(agent, "database")
        assert_problem(await agent.get("/ready"), 503, "database (", told)
        assert await deliver(agent, cloud_event({"message": "m"})) == "RETRY"
    finally:
        await sql.execute(mends)
    await until_ready(agent, within_seconds=1)
    assert await deliver(agent, cloud_event({"message": "m"})) == "SUCCESS"


async def test_ready_names_each_right_that_is_taken_away(role: Settings, sql: asyncpg.Connection) -> None:
    async with running(create_app(role)) as client:
        await until_ready(client)
        for right, table in RIGHTS:
            await sql.execute(f"REVOKE {right} ON {table} FROM agent")
            await until_failing(client, "database")
            assert_problem(await client.get("/ready"), 503, f"permission denied for table {table}")
            await sql.execute(f"GRANT {right} ON {table} TO agent")
            await until_ready(client, within_seconds=1)


@pytest.mark.parametrize("table", TABLES)
async def test_ready_sees_a_table_under_another_name(role: Settings, sql: asyncpg.Connection, table: str) -> None:
    async with running(create_app(role)) as client:
        await until_ready(client)
        await sql.execute(f"REVOKE CREATE ON SCHEMA public FROM agent; ALTER TABLE {table} RENAME TO elsewhere")
        await until_failing(client, "database")
        await sql.execute(f"ALTER TABLE elsewhere RENAME TO {table}; GRANT CREATE ON SCHEMA public TO agent")
        await until_ready(client, within_seconds=1)


async def test_ready_names_a_lock_that_events_would_wait_for_and_leaves_none_behind(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE totals IN SHARE MODE")
        await until_failing(agent, "database")
        await asyncio.sleep(1)  # several checks
        waiting = await sql.fetchval("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert waiting <= 2, "expected the server to give up what the check gave up"
    await until_ready(agent, within_seconds=1)


async def test_no_check_leaves_anything_in_the_tables(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    async def rows() -> list[int]:
        return [len(await sql.fetch(f"TABLE {table}")) for table in TABLES]

    before = await rows()
    checked = (await agent.get("/ready")).json()["checks"]["database"]["latency_ms"]

    async def latency() -> float:
        latency: float = (await agent.get("/ready")).json()["checks"]["database"]["latency_ms"]
        return latency

    await until("another check", latency, lambda now: now != checked, 1)
    assert await rows() == before


def test_every_statement_of_the_event_path_is_explained() -> None:
    for module in (activity, backlog, effects, history, store, table):
        for name, value in vars(module).items():
            if name.isupper() and isinstance(value, str) and value.split()[0] in VERBS:
                assert value in STATEMENTS, f"expected {module.__name__}.{name} among the statements of the check"
