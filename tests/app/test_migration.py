"""The tables from one version to the next, and two versions on the same tables."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.database.migration import MIGRATIONS, TABLES
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.main import create_app
from tests.app import old_release
from tests.app.client import assert_problem, cloud_event, deliver, running, until_ready
from tests.app.databases import connected, new_database
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import in_time

pytestmark = [pytest.mark.anyio, pytest.mark.brief]

COLUMNS = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
APPLIED = "INSERT INTO processed_events (id, key, message, metadata, digest) VALUES ($1, '', '', '{}', '')"
CONTENT: dict[str, Any] = {
    "message": "m",
    "metadata": {"key": "k", "amount": 12, "more": {"b": [1, None], "a": "\u00fc"}},
}


@pytest.fixture
async def old_database(postgres: PostgresServer) -> AsyncIterator[str]:
    """A database as the version before left it."""
    async with new_database(postgres) as name:
        sql = await connected(postgres, name)
        await sql.execute(MIGRATIONS[0])
        await sql.close()
        yield name


@pytest.fixture
async def sql(postgres: PostgresServer, old_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to it."""
    connection = await connected(postgres, old_database)
    yield connection
    await connection.close()


@pytest.fixture
def settings(settings: Settings, old_database: str) -> Settings:
    """Settings of an agent on it."""
    return settings.model_copy(update={"postgres_database": old_database})


@pytest.fixture
async def agent(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent that is ready on it."""
    async with running(create_app(settings)) as client:
        await until_ready(client)
        yield client


def test_the_first_migration_is_the_schema_of_the_version_before() -> None:
    assert sha256(MIGRATIONS[0].encode()).hexdigest() == old_release.SCHEMA_SHA256


def test_migrations_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted(Path("app/database/migrations").iterdir())]
    assert numbers == [*range(1, len(MIGRATIONS) + 1)]


async def test_an_upgraded_database_has_the_columns_of_a_new_one(
    settings: Settings, postgres: PostgresServer, sql: asyncpg.Connection
) -> None:
    async with new_database(postgres) as name:
        for used in (settings, settings.model_copy(update={"postgres_database": name})):
            async with Database(used) as database:
                await database.check()
        new = await connected(postgres, name)
        assert {*await sql.fetch(COLUMNS)} == {*await new.fetch(COLUMNS)}
        await new.close()
    assert await sql.fetchval("SELECT max(version) FROM schema_migrations") == len(MIGRATIONS)


async def test_a_start_at_the_current_schema_waits_for_no_lock(settings: Settings, sql: asyncpg.Connection) -> None:
    async with Database(settings) as database:
        await database.check()
    async with sql.transaction():
        await sql.execute(f"LOCK TABLE {', '.join(TABLES)} IN ACCESS EXCLUSIVE MODE")
        async with Database(settings) as database:
            await database.check()


async def test_a_migration_behind_a_long_writer_lets_others_write_and_is_tried_again(
    settings: Settings, postgres: PostgresServer, sql: asyncpg.Connection
) -> None:
    patient = settings.model_copy(update={"database_timeout_seconds": 4})
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(Database(patient))
        other = await connected(postgres, settings.postgres_database)
        stack.push_async_callback(other.close)
        async with sql.transaction():
            await sql.execute(APPLIED, "long")
            for attempt in range(3):
                began = monotonic()
                with pytest.raises(DependencyUnavailableError, match="lock timeout"):
                    await database.check()
                await other.execute(APPLIED, f"short-{attempt}")
                assert monotonic() - began < in_time(1)
        await database.check()
    assert await sql.fetchval("SELECT count(*) FROM processed_events WHERE source IS NULL") == 4


async def test_a_newer_schema_is_left_as_it_is(settings: Settings, sql: asyncpg.Connection) -> None:
    async with Database(settings) as database:
        await database.check()
    await sql.execute("INSERT INTO schema_migrations VALUES (99); ALTER TABLE effects ADD COLUMN newer text")
    async with Database(settings) as database:
        await database.check()
    assert await sql.fetchval("SELECT max(version) FROM schema_migrations") == 99


async def test_lost_tables_of_a_migrated_database_are_made_with_every_column(
    settings: Settings, sql: asyncpg.Connection
) -> None:
    async with Database(settings) as database:
        await database.check()
        before = await sql.fetch(COLUMNS)
        await sql.execute("DROP TABLE outbox, effects")
    async with Database(settings) as database:
        await database.check()
    assert {*await sql.fetch(COLUMNS)} == {*before}


@pytest.mark.parametrize("source", ["fastapi-dapr-agent", "another"])
async def test_a_redelivery_across_the_upgrade_is_absorbed(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, source: str
) -> None:
    before, after = (cloud_event(CONTENT, source=source) for _ in range(2))
    assert await old_release.apply(sql, before) == (1, True)
    assert [await deliver(agent, event) for event in (before, after, before, after)] == ["SUCCESS"] * 4
    assert await old_release.apply(sql, after) == (3, True), "the version before took it for another event"
    assert await old_release.apply(sql, before) == (4, True)

    assert not sidecar.published, "an event was dead-lettered"
    assert await sql.fetchval("SELECT count(*) FROM effects") == 2
    assert await sql.fetchval("SELECT amount FROM totals WHERE key = 'k'") == 24


async def test_a_redelivery_across_the_upgrade_may_write_its_numbers_in_another_way(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m", "metadata": {"amount": 12, "x": 1e2}})
    await old_release.apply(sql, event)
    assert await deliver(agent, event | {"data": {"message": "m", "metadata": {"amount": 12.0, "x": 100}}}) == "SUCCESS"
    assert not sidecar.published
    assert await sql.fetchval("SELECT count(*) FROM effects") == 1


async def test_another_source_may_use_an_id_that_the_version_before_applied(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    event = cloud_event(CONTENT)
    await old_release.apply(sql, event)
    other = event | {"source": "another", "data": {"message": "other"}}
    assert [await deliver(agent, other) for _ in range(2)] == ["SUCCESS"] * 2
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event["id"]) == 2
    assert await old_release.apply(sql, event) == (2, True)


async def test_our_own_event_is_not_another_one_because_the_version_before_applied_it(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event(CONTENT)
    await old_release.apply(sql, event)
    body = {"message": "other"}
    assert_problem(await agent.post("/publish", json=body, headers={"Idempotency-Key": event["id"]}), 422)
    assert await deliver(agent, event | {"data": body}) == "SUCCESS"
    assert sidecar.published[0]["data"]["reason"].startswith("key reused")
    assert (await agent.get(f"/events/{event['id']}")).json()["source"] is None


async def test_what_the_version_before_dead_lettered_is_not_dead_lettered_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m", "metadata": {}})
    await old_release.fail(sql, event)
    await sql.execute("ALTER TABLE effects ADD CONSTRAINT trap CHECK (false) NOT VALID")
    assert await deliver(agent, event) == "SUCCESS"
    assert not sidecar.published


async def test_what_either_version_queued_either_relay_sends(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    sidecar.broken["publish"] = 500
    await old_release.queue(sql, old := uuid4().hex, CONTENT)
    headers = {"Prefer": "respond-async", "Idempotency-Key": (new := uuid4().hex)}
    assert (await agent.post("/publish", json=CONTENT, headers=headers)).status_code == 202
    assert (await agent.post("/publish", json=CONTENT, headers=headers | {"Idempotency-Key": old})).status_code == 202
    assert await old_release.take_turn(sql) == [old]
    await sql.execute("UPDATE outbox SET published_at = NULL, resent = 1 WHERE id = $1", old)
    assert await old_release.take_turn(sql) == [old], "what is to be sent again is not"
    assert await old_release.take_turn(sql) == [new]
