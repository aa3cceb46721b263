"""With a retention what is old is deleted, but no id that Kafka, the outbox or a replay could bring once more."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.database.postgres import Database
from app.kafka.connection import Kafka
from app.kafka.group import Group, Partition
from app.main import create_app
from app.retention import deletion
from app.retention.deletion import Retention
from app.retention.expiry import RULES
from app.sidecar.api import DEAD_LETTER_TOPIC, TOPIC
from tests.app.broker import StandInBroker
from tests.app.client import cloud_event, deliver, running
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import in_time, until

pytestmark = pytest.mark.anyio
SECONDS = 60.0
MINUTE_PASSES = """
UPDATE processed_events SET applied_at = applied_at - interval '1 min';
UPDATE effects SET applied_at = applied_at - interval '1 min';
UPDATE failed_events SET last_failed_at = last_failed_at - interval '1 min';
UPDATE dead_letters SET recorded_at = recorded_at - interval '1 min', replayed_at = replayed_at - interval '1 min';
"""
COUNTS = """
SELECT (SELECT count(*) FROM processed_events) AS processed_events, (SELECT count(*) FROM effects) AS effects,
    (SELECT count(*) FROM failed_events) AS failed_events, (SELECT count(*) FROM dead_letters) AS dead_letters
"""
EVENTS, ELSEWHERE, LETTERS = Partition(TOPIC, 3), Partition(TOPIC, 5), Partition(DEAD_LETTER_TOPIC, 0)
OTHER = "https://example.com/shop"


@pytest.fixture
async def settings(settings: Settings) -> Settings:
    """Settings of an agent whose database may be slow: nothing here is about time."""
    return settings.model_copy(update={"database_timeout_seconds": 30.0, "check_timeout_seconds": 30.0})


@pytest.fixture
async def keeper(settings: Settings) -> AsyncIterator[Retention]:
    """A retention of a minute for every table, that looks when it is told to."""
    settings = settings.model_copy(update={rule.setting: SECONDS for rule in RULES})
    async with Database(settings, connections=1) as database, Kafka(settings, in_time(1)) as kafka:
        yield Retention(settings, database, Group(kafka, settings.kafka_consumer_group))


@pytest.fixture
async def sql(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> asyncpg.Connection:
    """A connection to tables that exist, and are without rows of earlier tests."""
    assert agent
    await sql.execute("TRUNCATE totals, processed_events, effects, failed_events, dead_letters")
    return sql


def log(broker: StandInBroker, partition: Partition, first: int, end: int) -> None:
    """Let a partition have these offsets, all of them taken."""
    broker.starts[partition], broker.ends[partition], broker.committed[partition] = first, end, end


async def pass_a_minute(sql: asyncpg.Connection) -> None:
    """Move the clock by moving what there is into the past."""
    await sql.execute(MINUTE_PASSES)


async def look(keeper: Retention) -> None:
    """Look twice: it deletes once what there was has been taken."""
    await keeper.look()
    await keeper.look()


async def left(sql: asyncpg.Connection) -> set[str]:
    """Tables that have rows."""
    (counts,) = await sql.fetch(COUNTS)
    return {table for table, count in counts.items() if count}


@pytest.mark.parametrize("offsets", [range(18, 20), range(17)], ids=["passed it", "began anew"])
async def test_what_is_old_and_whose_log_has_it_no_more_is_deleted(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention, offsets: range
) -> None:
    await deliver(agent, cloud_event({"message": "m"}), 3, 17)
    await pass_a_minute(sql)
    log(broker, EVENTS, offsets.start, offsets.stop)
    await look(keeper)
    assert await left(sql) == set()


async def test_what_is_not_old_stays(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention
) -> None:
    await deliver(agent, cloud_event({"message": "m"}), 3, 17)
    log(broker, EVENTS, 18, 20)
    await look(keeper)
    assert await left(sql) == {"processed_events", "effects"}


@pytest.mark.parametrize("offsets", [range(17, 20), range(18)])
async def test_an_event_stays_while_kafka_has_its_record(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention, offsets: range
) -> None:
    await deliver(agent, event := cloud_event({"message": "m"}), 3, 17)
    await pass_a_minute(sql)
    log(broker, EVENTS, offsets.start, offsets.stop)
    await look(keeper)
    await deliver(agent, event, 3, 17)
    assert await sql.fetchval("SELECT count FROM totals WHERE key = ''") == 1, "it took effect twice"


async def test_an_event_stays_while_kafka_has_its_record_once_more(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention
) -> None:
    event = cloud_event({"message": "m"})
    for partition, offset in ((3, 17), (3, 30), (5, 4)):
        await deliver(agent, event, partition, offset)
    await pass_a_minute(sql)
    log(broker, EVENTS, 18, 40)
    log(broker, ELSEWHERE, 5, 9)
    await look(keeper)
    assert "processed_events" in await left(sql)
    log(broker, EVENTS, 31, 40)
    log(broker, ELSEWHERE, 4, 9)
    await look(keeper)
    assert "processed_events" in await left(sql)
    log(broker, ELSEWHERE, 5, 9)
    await look(keeper)
    assert "processed_events" not in await left(sql)


async def test_nothing_is_deleted_while_something_waits_that_may_be_the_same_again(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention
) -> None:
    await deliver(agent, cloud_event({"message": "m"}), 3, 17)
    await pass_a_minute(sql)
    log(broker, EVENTS, 18, 20)
    broker.committed[EVENTS] = 19
    await look(keeper)
    assert await left(sql) == {"processed_events", "effects"}
    log(broker, EVENTS, 18, 25)
    broker.committed[EVENTS] = 20  # what came since is not waited for
    await keeper.look()
    assert await left(sql) == set()


async def test_nothing_is_deleted_of_partitions_that_nobody_can_ask(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention
) -> None:
    await deliver(agent, cloud_event({"message": "m"}), 3, 17)
    await pass_a_minute(sql)
    broker.leaderless = {ELSEWHERE}
    with pytest.raises(Exception, match=f"{ELSEWHERE} has no leader"):
        await keeper.look()
    broker.leaderless, broker.topics = set(), [DEAD_LETTER_TOPIC]
    await look(keeper)
    assert "processed_events" in await left(sql)


@pytest.mark.parametrize("source", ["fastapi-dapr-agent", OTHER])
async def test_an_event_stays_while_the_outbox_has_its_id(
    agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection, keeper: Retention, source: str
) -> None:
    event_id = uuid4().hex
    for number, one in enumerate(dict.fromkeys((source, "fastapi-dapr-agent"))):
        await deliver(agent, cloud_event({"message": "m"}, id=event_id, source=one), 3, number)
    before = await sql.fetchval("SELECT count(*) FROM processed_events")
    await sql.execute("INSERT INTO outbox (id, key, data, digest) VALUES ($1, '', '{}', '')", event_id)
    await pass_a_minute(sql)
    log(broker, EVENTS, 9, 9)
    await look(keeper)
    assert await sql.fetchval("SELECT count(*) FROM processed_events") == before
    await sql.execute("DELETE FROM outbox")
    await look(keeper)
    assert await left(sql) == set()


async def test_a_dead_letter_and_its_event_stay_while_either_record_can_come_again(
    agent: httpx.AsyncClient,
    broker: StandInBroker,
    sidecar: StandInSidecar,
    sql: asyncpg.Connection,
    keeper: Retention,
) -> None:
    event_id = uuid4().hex
    await deliver(agent, cloud_event({"message": "m"}, id=event_id), 3, 1)  # so that the other's row has another name
    await deliver(agent, cloud_event({"message": 7}, id=event_id, source=OTHER), 3, 2)
    await deliver(agent, sidecar.records[-1][1], 0, 7, route="/dead-letters")
    await deliver(agent, cloud_event({"message": "mended"}, id=event_id, source=OTHER), 3, 3)
    await pass_a_minute(sql)
    log(broker, EVENTS, 2, 9)
    log(broker, LETTERS, 8, 8)
    await look(keeper)
    assert await left(sql) == {"dead_letters", "processed_events", "failed_events"}, "its original may come again"
    log(broker, EVENTS, 9, 9)
    log(broker, LETTERS, 7, 8)
    await look(keeper)
    assert await left(sql) == {"dead_letters", "processed_events"}, "the letter may come again"
    assert await sql.fetchval("SELECT count(*) FROM processed_events") == 2
    log(broker, LETTERS, 8, 8)
    await look(keeper)
    assert await left(sql) == set()


async def test_a_letter_that_is_delivered_again_is_where_it_came_from_last(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    for offset in (4, 9):
        await deliver(agent, b"no letter", 0, offset, route="/dead-letters")
    assert await sql.fetch("SELECT letter_partition, letter_offset FROM dead_letters WHERE letter_offset = 9")


async def test_many_are_deleted_batch_by_batch(
    agent: httpx.AsyncClient,
    broker: StandInBroker,
    sql: asyncpg.Connection,
    keeper: Retention,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deletion, "BATCH", 2)
    for offset in range(5):
        await deliver(agent, cloud_event({"message": "m"}), 3, offset)
    await pass_a_minute(sql)
    log(broker, EVENTS, 5, 5)
    await look(keeper)
    assert await left(sql) == set()


async def test_each_table_has_a_retention_of_its_own(
    settings: Settings, agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection
) -> None:
    await deliver(agent, cloud_event({"message": "m"}), 3, 17)
    await pass_a_minute(sql)
    log(broker, EVENTS, 18, 20)
    settings = settings.model_copy(update={"effects_retention_seconds": SECONDS})
    async with Database(settings) as database, Kafka(settings, in_time(1)) as kafka:
        await look(Retention(settings, database, Group(kafka, "group")))
    assert await left(sql) == {"processed_events"}


async def test_the_agent_itself_deletes_and_by_default_does_not(
    settings: Settings, agent: httpx.AsyncClient, broker: StandInBroker, sql: asyncpg.Connection
) -> None:
    await deliver(agent, event := cloud_event({"message": "m"}), 3, 17)
    log(broker, EVENTS, 18, 18)
    await pass_a_minute(sql)
    settings = settings.model_copy(update={rule.setting: 1.0 for rule in RULES})

    assert (await agent.get(f"/events/{event['id']}")).status_code == 200
    async with running(create_app(settings)):
        await until("all tables to be empty", lambda: left(sql), lambda tables: not tables, 10)
    assert (await agent.get(f"/events/{event['id']}")).status_code == 404
