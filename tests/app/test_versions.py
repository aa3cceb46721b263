"""Every major version of PostgreSQL that the agent is tried on: each kind of statement once."""

import json
from collections.abc import Iterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app import SERVICE
from app.commands.arguments import read_listing, read_replay
from app.commands.inheritance import import_state
from app.commands.listing import list_dead_letters
from app.commands.replay import replay
from app.config import Settings
from app.database.migration import MIGRATIONS
from app.database.postgres import Database
from app.kafka.connection import Kafka
from app.kafka.group import Group
from app.main import create_app
from app.outbox.relay import LOCK, TAKE_TURN
from app.retention.deletion import Retention
from app.retention.expiry import RULES
from cluster import servers
from tests.app import old_release
from tests.app.broker import StandInBroker
from tests.app.client import assert_problem, cloud_event, deliver, running, until_failing, until_ready
from tests.app.databases import connected, new_database
from tests.app.letters import hand_over
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_inheritance import SAVED, VERSION_1, VERSION_2, state
from tests.app.test_outbox import queue, until_empty, until_published
from tests.app.test_retention import EVENTS, LETTERS, left, log, look, pass_a_minute
from tests.app.waiting import in_time, until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]
CONTENT = {"message": "m", "metadata": {"key": "k", "amount": 12}}


@pytest.fixture(scope="module", params=servers.versions())
def version(request: pytest.FixtureRequest) -> str:
    """Each version."""
    return str(request.param)


@pytest.fixture(scope="module")
def postgres_server(version: str) -> Iterator[PostgresServer]:
    """A server of it."""
    folder = servers.folder_of(version)
    assert folder.exists(), f"no PostgreSQL in {folder}: python3 -m cluster prerequisites, with Maven on PATH"
    server = PostgresServer(folder)
    try:
        server.start()
        yield server
    finally:
        server.remove()


async def test_events_go_all_their_way(
    agent: httpx.AsyncClient, version: str, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    key, ids = uuid4().hex, [uuid4().hex for _ in range(3)]
    assert [(await queue(agent, event_id, key=key)).status_code for event_id in ids * 2] == [202] * 6
    assert await until_published(sidecar, 3) == ids
    assert [await deliver(agent, record) for _, record in sidecar.records * 2] == ["SUCCESS"] * 6
    await until_empty(sql)

    first = (await agent.get("/events", params={"key": key, "page_size": 2})).json()
    rest = (await agent.get("/events", params={"key": key, "page_token": first["next_page_token"]})).json()
    shown = [(event["id"], event["attempts"]) for event in first["events"] + rest["events"]]
    assert shown == [(event_id, 2) for event_id in reversed(ids)]
    assert (first["totals"], rest["next_page_token"]) == ({"count": 3, "amount": 0}, None)
    told = (await agent.get("/db/query")).json()["postgres_version"]
    assert told.startswith(f"PostgreSQL {version.removesuffix('.0')} ")
    assert "expects" not in (await agent.get("/ready")).json()["checks"]["database"].get("warning", "")


async def test_tables_of_the_version_before_are_migrated(
    settings: Settings, postgres: PostgresServer, sidecar: StandInSidecar
) -> None:
    event = cloud_event(CONTENT)
    async with new_database(postgres) as name:
        sql = await connected(postgres, name)
        await sql.execute(MIGRATIONS[0])
        await old_release.apply(sql, event)
        await old_release.queue(sql, queued := uuid4().hex, CONTENT)
        async with running(create_app(settings.model_copy(update={"postgres_database": name}))) as agent:
            await until_ready(agent)
            assert await until_published(sidecar, 1) == [queued]
            assert await deliver(agent, event) == "SUCCESS"
            assert await old_release.apply(sql, event) == (3, True)
        await sql.close()


async def test_a_dead_letter_is_listed_and_replayed(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar
) -> None:
    event = cloud_event({"message": 7})
    assert await deliver(agent, event) == "SUCCESS"
    assert await hand_over(agent, sidecar) == ["SUCCESS"]
    (line,) = (
        await list_dead_letters(settings, read_listing([event["id"], "--reason=message", "--json"]))
    ).splitlines()
    assert json.loads(line)["complete"]
    assert await replay(settings, read_replay(["--all"]), str) == "1 replayed"
    assert json.loads(sidecar.records[-1][1]) == event


async def test_what_is_old_is_deleted(
    agent: httpx.AsyncClient,
    settings: Settings,
    sidecar: StandInSidecar,
    broker: StandInBroker,
    sql: asyncpg.Connection,
) -> None:
    await sql.execute("TRUNCATE totals, processed_events, effects, failed_events, dead_letters")
    for offset, message in enumerate(("m", "m", 7)):
        await deliver(agent, cloud_event({"message": message}, id="same" if offset < 2 else "other"), 3, offset)
    await hand_over(agent, sidecar)
    assert await left(sql) == {"processed_events", "effects", "failed_events", "dead_letters"}
    await pass_a_minute(sql)
    log(broker, EVENTS, 9, 9)
    log(broker, LETTERS, 9, 9)
    settings = settings.model_copy(update={rule.setting: 60.0 for rule in RULES})
    async with Database(settings) as database, Kafka(settings, in_time(1)) as kafka:
        await look(Retention(settings, database, Group(kafka, settings.kafka_consumer_group)))
    assert await left(sql) == set()


async def test_a_lock_is_not_waited_for_for_long(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    async with sql.transaction():
        await sql.execute("LOCK TABLE processed_events")
        assert_problem(await agent.get("/events/x"), 503, "database is unavailable")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'processed_events'::regclass"
        # the agent's check tries again and again, with a pause
        await until("nobody to wait at the server", lambda: sql.fetchval(waiting), lambda count: count == 0, 2)
    await until_ready(agent)


async def test_a_relay_that_falls_silent_in_its_turn_is_succeeded(
    agent: httpx.AsyncClient, settings: Settings, postgres: PostgresServer, sidecar: StandInSidecar
) -> None:
    silent = await connected(postgres, name=SERVICE)
    await silent.execute("BEGIN")
    while not await silent.fetchval(TAKE_TURN, LOCK):
        await silent.execute("ROLLBACK; BEGIN")
    await queue(agent, event_id := uuid4().hex)
    seconds = settings.sidecar_timeout_seconds + settings.database_timeout_seconds
    assert await until_published(sidecar, 1, within_seconds=seconds + 1) == [event_id]
    assert silent.is_closed()


async def test_state_of_daprs_version_1_is_imported_into_the_table_of_version_2(
    settings: Settings, postgres: PostgresServer
) -> None:
    async with new_database(postgres) as name:
        sql = await connected(postgres, name)
        await sql.execute(f"{VERSION_1};{VERSION_2};{SAVED}")
        await import_state(settings.model_copy(update={"postgres_database": name}))
        assert (await state(sql))["cart"] == '{"items": [1, 2.50, "ü"]}'.encode()
        await sql.close()


async def test_a_server_that_only_reads_is_named_until_it_writes_again(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    event = cloud_event(CONTENT)
    await sql.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        await sql.execute("SELECT pg_reload_conf()")
        body = await until_failing(agent, "database")
        assert "read-only" in body["checks"]["database"]["error"]
        assert await deliver(agent, event) == "RETRY"
    finally:
        await sql.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await sql.execute("SELECT pg_reload_conf()")
    await until_ready(agent, within_seconds=1)
    assert await deliver(agent, event) == "SUCCESS"
