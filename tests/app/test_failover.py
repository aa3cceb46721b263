"""Servers that change under the agent: a standby at its address, a promotion, one that refuses, sessions ended."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.main import create_app
from tests.app.client import assert_problem, cloud_event, deliver, running, until_named, until_ready
from tests.app.databases import END_SESSIONS, SESSIONS, connected, new_database
from tests.app.gate import Gate
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_outbox import queue, until_empty, until_failing_publish, until_published
from tests.app.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]
READ_ONLY = "the server is read-only: every write would be refused"
STANDBY = "the server is read-only and in recovery: every write would be refused"
REFUSALS = (
    "the database system is not accepting connections; DETAIL",
    "the database system is starting up",  # before PostgreSQL 14
)


@pytest.fixture
def settings(settings: Settings, gate: Gate) -> Settings:
    """Settings of an agent that knows this address alone."""
    return settings.model_copy(update={"postgres_port": gate.port})


@pytest.fixture
async def standby(settings: Settings, postgres: PostgresServer) -> AsyncIterator[PostgresServer]:
    """A standby of the server, with the tables as the settings left them."""
    assert settings
    # in threads: an agent may be running
    standby = await asyncio.to_thread(PostgresServer, primary=postgres)
    try:
        await asyncio.to_thread(standby.start)
        yield standby
    finally:
        await asyncio.to_thread(standby.remove)


@asynccontextmanager
async def asked(agent: httpx.AsyncClient) -> AsyncIterator[None]:
    """Let somebody ask all the while, so that no connection is closed for being idle."""

    async def ask() -> None:
        while True:
            await agent.get("/events/x")

    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(ask()) for _ in range(3)]
        yield
        for task in asking:
            task.cancel()


async def until_replayed(sql: asyncpg.Connection, standby: PostgresServer) -> None:
    position = await sql.fetchval("SELECT pg_current_wal_lsn()::text")
    there = await connected(standby)
    replayed = "SELECT pg_last_wal_replay_lsn() >= $1::text::pg_lsn"
    await until("the standby to have all", lambda: there.fetchval(replayed, position), bool, 5)
    await there.close()


async def until_left(sql: asyncpg.Connection) -> None:
    await until("the agent to have no session here", lambda: sql.fetchval(SESSIONS), lambda count: count == 0, 3)


async def test_a_standby_at_the_address_is_named_until_it_is_promoted_and_nothing_is_lost_or_applied_twice(
    agent: httpx.AsyncClient, gate: Gate, standby: PostgresServer, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    key = uuid4().hex
    before, meanwhile = (cloud_event({"message": "m", "metadata": {"key": key, "amount": 1}}) for _ in range(2))
    assert await deliver(agent, before) == "SUCCESS"
    sidecar.broken["publish"] = 500
    assert (await queue(agent, first := uuid4().hex, key=key)).status_code == 202
    await until_failing_publish(sidecar)
    await until_replayed(sql, standby)

    gate.lead_to(standby.port)
    gate.cut()
    await until_named(agent, STANDBY)
    sidecar.broken.clear()
    assert await deliver(agent, meanwhile) == "RETRY"
    assert_problem(await queue(agent, second := uuid4().hex, key=key), 503, "database is unavailable", "read-only")
    assert (await agent.get(f"/events/{before['id']}")).status_code == 200, "what is there cannot be read"
    assert not sidecar.published

    await asyncio.to_thread(standby.promote)
    await until_ready(agent, within_seconds=2)
    assert [await deliver(agent, event) for event in (before, meanwhile, meanwhile)] == ["SUCCESS"] * 3
    assert (await queue(agent, second, key=key)).status_code == 202
    assert await until_published(sidecar, 2) == [first, second]
    assert [await deliver(agent, record) for _, record in sidecar.records * 2] == ["SUCCESS"] * 4
    there = await connected(standby)
    await until_empty(there)
    assert await there.fetchval("SELECT count(*) FROM effects WHERE key = $1", key) == 4
    assert await there.fetchval("SELECT count FROM totals WHERE key = $1", key) == 4
    await there.close()


async def test_after_a_standby_the_address_may_lead_back(
    agent: httpx.AsyncClient, gate: Gate, postgres: PostgresServer, standby: PostgresServer
) -> None:
    async with asked(agent):
        gate.lead_to(standby.port)
        gate.cut()
        await until_named(agent, STANDBY)
        there = await connected(standby)
        gate.lead_to(postgres.port)
        await until_ready(agent, within_seconds=2)
        assert {await deliver(agent, cloud_event({"message": "m"})) for _ in range(20)} == {"SUCCESS"}
        await until_left(there)
        await there.close()


async def test_a_primary_that_was_demoted_and_lives_keeps_no_connection(
    agent: httpx.AsyncClient, gate: Gate, standby: PostgresServer, sql: asyncpg.Connection
) -> None:
    async with asked(agent):
        await sql.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        try:
            await sql.execute("SELECT pg_reload_conf()")
            await until_named(agent, READ_ONLY)
            await asyncio.to_thread(standby.promote)
            gate.lead_to(standby.port)
            there = await connected(standby)
            await there.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await there.execute("SELECT pg_reload_conf()")
            await there.close()
            await until_ready(agent, within_seconds=2)
            assert {await deliver(agent, cloud_event({"message": "m"})) for _ in range(20)} == {"SUCCESS"}
            await until_left(sql)
        finally:
            await sql.execute("ALTER SYSTEM RESET default_transaction_read_only")
            await sql.execute("SELECT pg_reload_conf()")


async def test_a_primary_that_lost_its_address_and_lives_keeps_no_connection(
    agent: httpx.AsyncClient, gate: Gate, standby: PostgresServer, sql: asyncpg.Connection
) -> None:
    async with asked(agent):
        await asyncio.to_thread(standby.promote)
        gate.lead_to(standby.port)
        await until_left(sql)
    await until_ready(agent)


async def test_sessions_that_began_while_the_role_could_only_read_are_made_anew(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    async with asked(agent):
        await sql.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
        try:
            await sql.execute(END_SESSIONS)
            await until_named(agent, READ_ONLY)
        finally:
            await sql.execute("ALTER ROLE postgres RESET default_transaction_read_only")
        await until_ready(agent, within_seconds=2)
        assert {await deliver(agent, cloud_event({"message": "m"})) for _ in range(20)} == {"SUCCESS"}


async def test_an_agent_that_starts_on_a_standby_makes_its_tables_once_that_is_promoted(
    settings: Settings, gate: Gate, postgres: PostgresServer, standby: PostgresServer, sql: asyncpg.Connection
) -> None:
    async with new_database(postgres) as name:
        await until_replayed(sql, standby)
        gate.lead_to(standby.port)
        async with running(create_app(settings.model_copy(update={"postgres_database": name}))) as agent:
            await until_named(agent, STANDBY)
            await asyncio.to_thread(standby.promote)
            await until_ready(agent, within_seconds=2)
            assert await deliver(agent, cloud_event({"message": "m"})) == "SUCCESS"


async def test_a_server_that_refuses_while_it_starts_is_named_and_waited_for(
    agent: httpx.AsyncClient, gate: Gate, standby: PostgresServer
) -> None:
    await asyncio.to_thread(standby.stop)
    await asyncio.to_thread(standby.start, hot_standby="off")
    gate.lead_to(standby.port)
    gate.cut()
    await until_named(agent, *REFUSALS)
    event = cloud_event({"message": "m"})
    assert await deliver(agent, event) == "RETRY"
    assert_problem(await queue(agent, uuid4().hex), 503, "database is unavailable", "the database system is")

    await asyncio.to_thread(standby.promote)
    await until_ready(agent, within_seconds=2)
    assert await deliver(agent, event) == "SUCCESS"


async def test_sessions_that_somebody_ends_are_made_anew(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    seen: set[int] = set()
    async with asked(agent):
        for _ in range(20):
            asking = [asyncio.create_task(agent.get("/db/query")) for _ in range(5)]
            await sql.execute(END_SESSIONS)
            seen |= {answer.status_code for answer in await asyncio.gather(*asking)}
    assert seen <= {200, 503}
    await until_ready(agent, within_seconds=1)
    assert {await deliver(agent, cloud_event({"message": "m"})) for _ in range(10)} == {"SUCCESS"}
