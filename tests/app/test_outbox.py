"""Events that PostgreSQL keeps until Kafka has them."""

import asyncio
import logging
from collections import defaultdict
from functools import partial
from time import process_time
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.database.postgres import Database
from app.event.data import EventData
from app.main import create_app
from app.outbox import relay, store
from app.outbox.store import NEXT, Entry
from tests.app.broker import StandInBroker
from tests.app.client import assert_problem, cloud_event, deliver, running, until_failing, until_ready
from tests.app.gate import Gate
from tests.app.listener import close
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_subscribe import CONSTRAINT
from tests.app.waiting import in_time, until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]

ASYNC = {"Prefer": "respond-async"}


async def queue(agent: httpx.AsyncClient, event_id: str, message: str = "m", key: str = "") -> httpx.Response:
    body = {"message": message, "metadata": {"key": key}}
    return await agent.post("/publish", json=body, headers=ASYNC | {"Idempotency-Key": event_id})


def patient(settings: Settings) -> Settings:
    """For what a test itself writes."""
    return settings.model_copy(update={"database_timeout_seconds": 30.0})


async def status(agent: httpx.AsyncClient, event_id: str) -> str:
    found: str = (await agent.get(f"/events/{event_id}")).json()["status"]
    return found


async def until_published(sidecar: StandInSidecar, count: int, within_seconds: float = 5) -> list[str]:
    async def published() -> int:
        return len(sidecar.published)

    await until(f"{count} events to be published", published, lambda seen: seen >= count, within_seconds)
    return [event["id"] for event in sidecar.published]


async def until_pending(sql: asyncpg.Connection, left: int, within_seconds: float = 3) -> None:
    async def pending() -> int:
        count: int = await sql.fetchval("SELECT count(*) FROM outbox")
        return count

    await until(f"{left} events to be left in the outbox", pending, lambda count: count == left, within_seconds)


async def until_empty(sql: asyncpg.Connection) -> None:
    await until_pending(sql, 0)


async def lose(broker: StandInBroker, agent: httpx.AsyncClient) -> None:
    """Stop the broker, and return when the relay waits for it: a turn that it began before may send what comes now."""
    said: list[str] = []

    async def waits() -> bool:
        return any("pubsub is unavailable" in line for line in said)

    def hear(record: logging.LogRecord) -> bool:
        said.append(record.getMessage())
        return True

    relay.logger.addFilter(hear)
    try:
        await broker.stop()
        await until_failing(agent, "pubsub")
        await until("the relay to wait for the broker", waits, bool, 5)
    finally:
        relay.logger.removeFilter(hear)


async def test_an_event_is_queued_while_kafka_is_away_then_published_then_applied(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker, sql: asyncpg.Connection
) -> None:
    await lose(broker, agent)
    response = await agent.post("/publish", json={"message": "m", "metadata": {"key": "k"}}, headers=ASYNC)
    body = response.json()
    assert (response.status_code, response.headers["preference-applied"]) == (202, "respond-async")
    assert response.headers["location"] == f"/events/{body['id']}"
    assert body == {"status": "queued", "topic": "agent-events", "message": "m", "id": body["id"]}
    seen = (await agent.get(response.headers["location"])).json()
    assert (seen["status"], seen["key"], seen["metadata"]) == ("queued", "k", {"key": "k"})

    await broker.start()
    assert await until_published(sidecar, 1) == [body["id"]]
    assert sidecar.published[0]["query"] == {"metadata.partitionKey": "k"}
    await until("the event to be shown", lambda: status(agent, body["id"]), lambda seen: seen == "published", 1)

    assert await deliver(agent, sidecar.records[0][1]) == "SUCCESS"
    assert await status(agent, body["id"]) == "applied"
    await until_empty(sql)


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        (["respond-async, wait=10"], 202),
        (["wait=10", "Respond-Async; x=1"], 202),
        (["return=minimal"], 200),
        (["x=respond-async"], 200),
        (['x="a, respond-async , \\", respond-async"'], 200),
        (['x="a, b", respond-async'], 202),
        ([""], 200),
    ],
)
async def test_other_preferences_are_ignored(agent: httpx.AsyncClient, preferences: list[str], expected: int) -> None:
    headers = [("Prefer", preference) for preference in preferences]
    assert (await agent.post("/publish", json={"message": "m"}, headers=headers)).status_code == expected


async def test_the_same_key_is_queued_once_and_refused_with_another_body(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    event_id = uuid4().hex
    assert [(await queue(agent, event_id)).status_code for _ in range(3)] == [202] * 3
    assert_problem(await queue(agent, event_id, "another"), 422, "Idempotency-Key")
    await broker.start()
    await until_ready(agent)
    await until_published(sidecar, 1)
    assert_problem(
        await agent.post("/publish", json={"message": "another"}, headers={"Idempotency-Key": event_id}), 422
    )
    assert len(sidecar.published) == 1


async def test_an_event_that_was_applied_is_not_queued_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m", "metadata": {"key": ""}})
    await deliver(agent, event)
    assert (await queue(agent, event["id"])).status_code == 202
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 0
    assert not sidecar.published


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_without_the_database_nothing_is_queued(
    agent: httpx.AsyncClient, settings: Settings, postgres: PostgresServer, how: str
) -> None:
    postgres.take_away(how)
    response = await queue(agent, "some-key")
    postgres.restore()
    assert assert_problem(response, 503, "database")["id"] == "some-key"
    assert response.headers["retry-after"]
    assert response.elapsed.total_seconds() < in_time(settings.database_timeout_seconds)


async def test_events_of_one_key_keep_their_order_although_publishing_fails_in_between(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    for number in range(90):
        await queue(agent, f"{uuid4()}", str(number), key=f"key-{number % 3}")
    sidecar.broken["publish"] = 500
    await broker.start()
    await until_failing_publish(sidecar)
    sidecar.broken.clear()

    ids = await until_published(sidecar, 90)
    assert len(set(ids)) == 90
    messages = defaultdict(list)
    for event in sidecar.published:
        messages[event["data"]["metadata"]["key"]].append(int(event["data"]["message"]))
    assert messages == {f"key-{rest}": list(range(rest, 90, 3)) for rest in range(3)}


async def test_events_of_one_key_keep_their_order_although_a_batch_fails_in_part(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    sent = [uuid4().hex for _ in range(12)]
    for number, event_id in enumerate(sent):
        await queue(agent, event_id, key=f"key-{number % 2}")
    sidecar.losing_entries = 3
    await broker.start()

    first = list(dict.fromkeys(await until_published(sidecar, 12)))
    assert [first.index(event_id) for event_id in sent[::2]] == sorted(first.index(one) for one in sent[::2])
    assert [first.index(event_id) for event_id in sent[1::2]] == sorted(first.index(one) for one in sent[1::2])


async def test_an_event_that_kafka_refuses_holds_up_only_its_key(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker, caplog: pytest.LogCaptureFixture
) -> None:
    await lose(broker, agent)
    sidecar.refused = {"poison"}
    await queue(agent, "poison", key="k")
    await queue(agent, "after", key="k")
    neighbours = [f"neighbour-{number}" for number in range(20)]
    for number, event_id in enumerate(neighbours):
        await queue(agent, event_id, key=f"key-{number % 10}")
    await broker.start()
    await queue(agent, "later")
    for event_id in (*neighbours, "later"):
        await until(f"{event_id} to be sent", partial(status, agent, event_id), lambda seen: seen == "published", 5)
    ids = [event["id"] for event in sidecar.published]
    await asyncio.sleep(1)  # the poison is tried again, and alone

    assert set(ids) == {*neighbours, "later"}
    assert [event["id"] for event in sidecar.published] == ids
    warnings = [line.getMessage() for line in caplog.records if "Kafka refuses" in line.getMessage()]
    assert len(warnings) == 1, warnings
    assert "event poison" in warnings[0]
    assert "told to fail" in warnings[0]

    sidecar.refused.clear()
    ids = await until_published(sidecar, len(ids) + 2)
    assert ids[-2:] == ["poison", "after"]


async def test_events_of_many_keys_are_sent_although_one_key_has_more_than_a_batch(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    hot, others = 450, [f"other-{number}" for number in range(450)]
    keys = ["hot"] * hot + [*others, ""]
    async with Database(patient(settings)) as database:
        for number, key in enumerate(keys):
            data = EventData.model_validate({"message": "m", "metadata": {"key": key}})
            await store.add(database, [Entry.of(f"event-{number}", data, {})])
    await broker.start()
    await until_published(sidecar, len(keys), within_seconds=20)

    sent = [event["data"]["metadata"]["key"] for event in sidecar.published]
    assert sorted(sent) == sorted(keys)
    assert sent[: len(others) + 20].count("hot") < 20, "the hot key's events went first"


LARGE = 240_000


async def queue_large(settings: Settings, count: int, key: str) -> list[str]:
    async with Database(patient(settings)) as database:
        ids = [f"large-{number}" for number in range(count)]
        for event_id in ids:
            data = EventData.model_validate({"message": "m" * LARGE, "metadata": {"key": key.format(event_id)}})
            await store.add(database, [Entry.of(event_id, data, {})])
    return ids


@pytest.mark.parametrize("key", ["", "{}"], ids=["without keys", "with keys"])
async def test_of_large_events_only_what_is_sent_at_a_time_is_read(
    agent: httpx.AsyncClient, settings: Settings, broker: StandInBroker, sql: asyncpg.Connection, key: str
) -> None:
    await lose(broker, agent)
    await queue_large(settings, 20, key)
    for _ in range(2):
        assert [row["id"] for row in await sql.fetch(NEXT, "", 200, [], 500_000)] == ["large-0", "large-1"]
        await sql.execute("UPDATE outbox SET bytes = NULL")  # as the version before queues it


@pytest.mark.parametrize("key", ["", "{}"], ids=["without keys", "with keys"])
async def test_large_events_are_all_sent(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, broker: StandInBroker, key: str
) -> None:
    await lose(broker, agent)
    ids = await queue_large(settings, 20, key)
    await broker.start()
    assert sorted(await until_published(sidecar, 20, within_seconds=10)) == sorted(ids)


async def test_a_large_event_that_kafka_refuses_holds_up_no_other(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    ids = await queue_large(settings, 6, "")
    sidecar.refused = set(ids[:5])
    await broker.start()
    assert await until_published(sidecar, 1) == ids[5:]
    await queue(agent, "later")
    assert (await until_published(sidecar, 2))[1] == "later"


async def test_more_events_than_can_be_refused_in_a_turn_hold_up_no_other(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    for number in range(12):
        await queue(agent, f"poison-{number}")
    sidecar.refused = {f"poison-{number}" for number in range(12)}
    sidecar.refusal_seconds = 0.15  # of a turn's 0.4
    await queue(agent, "good")
    await broker.start()
    # in a batch that Kafka refuses in part it is published, and nobody knows
    await until("the other to be sent", lambda: status(agent, "good"), lambda seen: seen == "published", 10)
    await queue(agent, "later")
    await until("another to be sent", lambda: status(agent, "later"), lambda seen: seen == "published", 1)
    sidecar.refused.clear()
    await until("all to be sent", lambda: status(agent, "poison-11"), lambda seen: seen == "published", 10)


async def test_a_lone_event_that_kafka_refuses_is_tried_again_and_told_once(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, caplog: pytest.LogCaptureFixture
) -> None:
    sidecar.refused = {"poison"}
    await queue(agent, "poison")

    async def attempts() -> int:
        return sum("publish" in request for request in sidecar.requests)

    await until("some attempts", attempts, lambda count: count >= 9, 3)
    assert sum("The outbox waits" in record.getMessage() for record in caplog.records if record.levelno >= 30) == 1
    sidecar.refused.clear()
    assert await until_published(sidecar, 1) == ["poison"]


async def test_what_was_applied_leaves_the_outbox_although_much_before_it_was_not(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await sql.execute("""
        INSERT INTO outbox (id, key, data, digest, published_at)
        SELECT 'unapplied-' || number, '', '{}', '', now() FROM generate_series(1, 2500) AS number
    """)
    await queue(agent, event_id := uuid4().hex)
    await until_published(sidecar, 1)
    await deliver(agent, sidecar.records[0][1])

    await until_pending(sql, 2500)
    assert await sql.fetchval("SELECT count(*) FROM outbox WHERE id = $1", event_id) == 0


async def test_what_was_applied_leaves_the_outbox_at_once_however_much_it_is(
    settings: Settings, sql: asyncpg.Connection
) -> None:
    async with running(create_app(settings.model_copy(update={"outbox_poll_seconds": 5.0}))) as agent:
        await until_ready(agent)
        async with sql.transaction():
            await sql.execute("""
                INSERT INTO outbox (id, key, data, digest, published_at)
                SELECT 'applied-' || number, '', '{"message":"m"}', '', now() FROM generate_series(1, 30500) AS number
            """)
            await sql.execute("""
                INSERT INTO processed_events (id, source, key, message, metadata, digest)
                SELECT id, 'fastapi-dapr-agent', '', 'm', '{}', '' FROM outbox
            """)
        await until_pending(sql, 0, within_seconds=9)


@pytest.mark.parametrize("number", ["1.7e18", "12.0", "1e15", "-0.0", "0.1", "9007199254740992"])
async def test_a_number_is_the_same_in_both_modes(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, number: str
) -> None:
    event_id = uuid4().hex
    body = f'{{"message": "<&>\u2028", "metadata": {{"x": {number}}}}}'
    headers = {"content-type": "application/json", "idempotency-key": event_id}
    assert (await agent.post("/publish", content=body, headers=headers | ASYNC)).status_code == 202
    await until_published(sidecar, 1)
    assert await deliver(agent, sidecar.records[0][1]) == "SUCCESS"
    assert await status(agent, event_id) == "applied"
    await until_empty(sql)

    assert (await agent.post("/publish", content=body, headers=headers | ASYNC)).status_code == 202
    assert (await agent.post("/publish", content=body, headers=headers)).status_code == 200
    assert await deliver(agent, sidecar.records[1][1]) == "SUCCESS"
    deliveries = "SELECT deliveries FROM processed_events WHERE id = $1"
    assert await sql.fetchval(deliveries, event_id) == 2, "what was sent at once was taken for another event"


async def until_failing_publish(sidecar: StandInSidecar) -> None:
    before = len(sidecar.requests)

    async def attempts() -> int:
        return sum("publish" in request for request in sidecar.requests[before:])

    await until("an attempt to publish", attempts, lambda count: count > 0, 5)


async def test_replicas_share_the_outbox_and_send_each_event_once(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    async with running(create_app(settings)) as other:
        await until_ready(other)
        sent = [f"{uuid4()}" for _ in range(200)]
        for pair in zip(sent[::2], sent[1::2], strict=True):
            answers = await asyncio.gather(queue(agent, pair[0]), queue(other, pair[1]))
            assert {answer.status_code for answer in answers} == {202}
        ids = await until_published(sidecar, 200)
        for _, record in sidecar.records:
            await deliver(agent, record)
        await until_empty(sql)
    assert sorted(ids) == sorted(sent)


async def test_an_event_that_was_sent_but_not_marked_is_sent_again_under_its_id(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await sql.execute("ALTER TABLE outbox ADD CONSTRAINT trap CHECK (published_at IS NULL)")
    try:
        await queue(agent, event_id := uuid4().hex)
        await until_published(sidecar, 2)
    finally:
        await sql.execute("ALTER TABLE outbox DROP CONSTRAINT trap")
    await until("the event to be shown", lambda: status(agent, event_id), lambda seen: seen == "published", 2)

    assert {event["id"] for event in sidecar.published} == {event_id}
    assert {await deliver(agent, record) for _, record in sidecar.records} == {"SUCCESS"}
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event_id) == 1
    await until_empty(sql)


async def test_a_connection_that_falls_silent_in_a_turn_holds_up_the_relay_for_this_turn_only(
    settings: Settings, gate: Gate, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    sidecar.broken["publish"] = 500
    async with running(create_app(settings.model_copy(update={"postgres_port": gate.port}))) as agent:
        await until_ready(agent)
        await queue(agent, "before")
        async with sql.transaction():
            await sql.execute("SELECT FROM outbox FOR UPDATE")
            sidecar.broken.clear()
            await until_published(sidecar, 1)
            assert gate.silence(), "nobody was in its turn"
        await until_ready(agent)
        # the first may get a connection that is as silent
        await until("the other to be queued", lambda: queue(agent, "after"), lambda one: one.status_code == 202, 3)

        async def published() -> list[str]:
            # what could not be marked is sent again, under its id
            return list(dict.fromkeys(event["id"] for event in sidecar.published))

        await until("both to be published", published, lambda ids: ids == ["before", "after"], 5)


async def test_without_the_database_the_relay_does_not_try_to_connect(
    settings: Settings, postgres: PostgresServer
) -> None:
    attempts = 0

    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal attempts
        attempts += 1
        writer.close()

    # the checks themselves pause for longer than this test takes
    rare = settings.model_copy(update={"backend_retry_seconds": 60})
    async with running(create_app(rare)) as agent:
        await until_ready(agent)
        postgres.stop()
        await until_failing(agent, "database")
        listener = await asyncio.start_server(refuse, "127.0.0.1", postgres.port)
        await asyncio.sleep(1)
        await close(listener)
        await listener.wait_closed()
    assert attempts == 0


async def test_a_replica_that_dies_in_its_turn_is_succeeded(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    sidecar.hanging = True
    await queue(agent, event_id := uuid4().hex)
    await until_failing_publish(sidecar)
    holder = await sql.fetchval("SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = 1919249505")
    assert await sql.fetchval("SELECT pg_terminate_backend($1)", holder), "nobody was in its turn"
    sidecar.hanging = False
    assert event_id in await until_published(sidecar, 1)


async def test_an_event_that_is_dead_lettered_leaves_the_outbox(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    await sql.execute(CONSTRAINT[0])
    try:
        await queue(agent, event_id, key="trap")
        await until_published(sidecar, 1)
        assert [await deliver(agent, sidecar.records[0][1]) for _ in range(3)] == ["RETRY", "RETRY", "SUCCESS"]
    finally:
        await sql.execute(CONSTRAINT[1])
    await until_empty(sql)
    assert await status(agent, event_id) == "dead-lettered"


async def test_the_relay_marks_what_it_sent_before_it_ends(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    async with running(create_app(settings)) as client:
        await until_ready(client)
        await queue(client, f"{uuid4()}")
        await until_published(sidecar, 1)
        for _ in range(50):
            await queue(client, f"{uuid4()}")
    marked = await sql.fetch("SELECT id FROM outbox WHERE published_at IS NOT NULL")
    assert {event["id"] for event in sidecar.published} <= {row["id"] for row in marked}


async def test_the_relay_spends_less_than_a_second_on_400_events(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await lose(broker, agent)
    async with Database(patient(settings)) as database:
        for number in range(400):
            data = EventData.model_validate({"message": "m", "metadata": {"key": f"key-{number % 50}"}})
            await store.add(database, [Entry.of(f"{uuid4()}", data, {})])
    await broker.start()
    started = process_time()  # of this process: what others do on the machine does not count, the stand-ins do
    assert len(set(await until_published(sidecar, 400, within_seconds=20))) == 400
    assert process_time() - started < 1
