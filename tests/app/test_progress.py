"""Readiness sees events that wait although nothing keeps them."""

import asyncio
import socket

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.kafka.group import Partition
from app.main import create_app
from tests.app.batches import batch
from tests.app.broker import StandInBroker
from tests.app.client import assert_problem, cloud_event, deliver, failing, running, until_failing, until_ready
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_outbox import until_published
from tests.app.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]

PARTITION = Partition("agent-events", 3)
LETTERS = Partition("agent-events-dead-letters", 0)
OWN, OTHER = socket.gethostbyname(socket.gethostname()), "192.0.2.7"
REPLICA = "fastapi-dapr-agent"
HOLDERS = [
    # who is in the group and where, and what is said of who has the partition
    ([], "nobody consumes it"),
    ([(REPLICA, OWN, [PARTITION])], f"{REPLICA} at {OWN} has it and does not take them"),
    ([(REPLICA, OWN, []), ("stranger", OTHER, [PARTITION])], f"stranger at {OTHER} has it and does not take them"),
    ([(REPLICA, OTHER, [PARTITION])], f"{REPLICA} at {OTHER} has it and does not take them"),
]


def let_wait(broker: StandInBroker, partition: Partition = PARTITION, committed: int = 40, end: int = 57) -> None:
    broker.committed[partition], broker.ends[partition] = committed, end


async def pubsub_lag(client: httpx.AsyncClient) -> int | None:
    lag: int | None = (await client.get("/ready")).json()["checks"]["pubsub"]["lag"]
    return lag


async def detail(client: httpx.AsyncClient) -> str:
    text: str = (await client.get("/ready")).json()["detail"]
    return text


@pytest.mark.parametrize(("members", "told"), HOLDERS, ids=["nobody", "this", "a stranger", "not joined"])
async def test_ready_names_events_that_wait_and_who_should_take_them(
    agent: httpx.AsyncClient, broker: StandInBroker, members: list[tuple[str, str, list[Partition]]], told: str
) -> None:
    broker.members = [*members]
    let_wait(broker)
    await until_failing(agent, "events")
    problem = assert_problem(
        await agent.get("/ready"), 503, "events (agent-events/3: 17 events wait since ", " s at offset 40", told
    )
    assert problem["checks"]["pubsub"]["lag"] == 17
    assert (await agent.get("/ready", params={"for": "serving"})).status_code == 200

    let_wait(broker, committed=57)
    await until_ready(agent, within_seconds=1)


async def test_events_of_another_replica_are_shown_and_are_that_ones_to_name(
    agent: httpx.AsyncClient, broker: StandInBroker
) -> None:
    broker.members = [(REPLICA, OWN, [LETTERS]), (REPLICA, OTHER, [PARTITION])]
    let_wait(broker)

    async def waiting() -> list[str]:
        found: list[str] = (await agent.get("/ready")).json()["checks"]["events"]["waiting_elsewhere"]
        return found

    shown = await until("it to be shown", waiting, bool, 3)
    assert OTHER in shown[0]
    assert (await agent.get("/ready")).status_code == 200


async def test_a_group_that_never_joined_is_seen_by_the_first_event_it_leaves(
    agent: httpx.AsyncClient, broker: StandInBroker
) -> None:
    broker.ends[PARTITION] = 1
    await until_failing(agent, "events")
    assert_problem(await agent.get("/ready"), 503, "1 events wait", "at offset 0", "nobody consumes it")


async def test_of_many_partitions_the_first_are_told(agent: httpx.AsyncClient, broker: StandInBroker) -> None:
    for number in range(8):
        let_wait(broker, Partition("agent-events", number))
    await until_failing(agent, "events")
    await until("all to be counted", lambda: detail(agent), lambda text: "agent-events/2: 17 events wait" in text, 2)
    assert "; and 5 more)" in await detail(agent)


async def test_dead_letters_that_nobody_records_are_seen_too(agent: httpx.AsyncClient, broker: StandInBroker) -> None:
    let_wait(broker, LETTERS)
    await until_failing(agent, "events")
    assert_problem(await agent.get("/ready"), 503, "agent-events-dead-letters/0: 17 events wait")


async def test_an_event_that_is_delivered_again_and_again_does_not_wait_in_kafka(
    agent: httpx.AsyncClient, broker: StandInBroker
) -> None:
    let_wait(broker)
    for _ in range(15):  # one and a half times what events may wait
        assert await deliver(agent, cloud_event({"message": "m"}), offset=39) == "SUCCESS"
        assert (await agent.get("/ready")).status_code == 200
        await asyncio.sleep(0.1)
    await until_failing(agent, "events")


async def test_an_event_that_blocks_its_partition_is_named(
    agent: httpx.AsyncClient, broker: StandInBroker, sidecar: StandInSidecar
) -> None:
    sidecar.broken["publish"] = 500  # so it cannot be dead-lettered
    let_wait(broker)

    async def deliver_and_look() -> set[str]:
        assert await deliver(agent, b"{not JSON", offset=40) == "RETRY"
        return failing((await agent.get("/ready")).json())

    await until("events to be named", deliver_and_look, lambda names: names == {"events"}, 5)
    assert_problem(await agent.get("/ready"), 503, "at offset 40", "delivered again and again")

    sidecar.broken.clear()
    assert await deliver(agent, b"{not JSON", offset=40) == "SUCCESS"
    await until_ready(agent, within_seconds=1)


async def test_a_partition_without_leader_is_named(agent: httpx.AsyncClient, broker: StandInBroker) -> None:
    broker.leaderless.add(PARTITION)
    await until_failing(agent, "events")
    assert_problem(await agent.get("/ready"), 503, "events (agent-events/3 has no leader)")
    assert (await agent.post("/publish", json={"message": "for another partition"})).status_code == 200

    broker.group_error = 15  # the group's coordinator may be what is away
    told = await until("both to be named", lambda: detail(agent), lambda text: "lag unknown" in text, 3)
    assert "agent-events/3 has no leader" in told
    broker.leaderless.clear()
    broker.group_error = 0
    await until_ready(agent, within_seconds=1)


async def test_a_group_that_may_not_be_read_is_named(agent: httpx.AsyncClient, broker: StandInBroker) -> None:
    broker.group_error = 30
    await until_failing(agent, "events")
    assert_problem(await agent.get("/ready"), 503, "group fastapi-consumer-group: GroupAuthorizationFailedError")


async def test_the_mark_of_a_transaction_is_no_event(agent: httpx.AsyncClient, broker: StandInBroker) -> None:
    broker.logs[PARTITION] = batch(56, [b"mark"], attributes=0x30)
    let_wait(broker, committed=56)
    await until("it to be counted", lambda: pubsub_lag(agent), lambda lag: lag == 1, 1)
    await until("it to be found out", lambda: pubsub_lag(agent), lambda lag: lag == 0, 3)
    assert (await agent.get("/ready")).status_code == 200

    broker.logs[PARTITION] += batch(57, [b"an event"])
    let_wait(broker, committed=56, end=58)
    await until_failing(agent, "events")
    assert_problem(await agent.get("/ready"), 503, "1 events wait", "at offset 57")


async def test_a_record_that_is_not_taken_is_named_with_its_size_and_never_unpacked(
    agent: httpx.AsyncClient, broker: StandInBroker
) -> None:
    log = broker.logs[PARTITION] = batch(40, [b"x" * 5000], attributes=1)
    let_wait(broker)
    await until_failing(agent, "events")
    assert_problem(await agent.get("/ready"), 503, f"at offset 40, in a batch of {len(log)} bytes, gzip")
    await asyncio.sleep(0.5)  # several checks
    assert broker.fetches == [(PARTITION, 40)], "expected the log to be read once"


async def test_while_the_database_is_away_events_wait_for_that_alone(
    agent: httpx.AsyncClient, broker: StandInBroker, postgres: PostgresServer
) -> None:
    postgres.stop()
    await until_failing(agent, "database")
    let_wait(broker)
    for _ in range(15):  # one and a half times what events may wait
        assert failing((await agent.get("/ready")).json()) == {"database"}
        await asyncio.sleep(0.1)
    postgres.restore()
    await until_ready(agent, within_seconds=1)
    await until_failing(agent, "events")


async def test_what_waits_for_a_sidecar_that_is_away_is_named_until_it_is_back(
    agent: httpx.AsyncClient, broker: StandInBroker, sidecar: StandInSidecar
) -> None:
    sidecar.hanging = True
    let_wait(broker)
    await until_failing(agent, "dapr", "statestore", "events", within_seconds=4)
    assert_problem(await agent.get("/ready"), 503, "17 events wait", "at offset 40")
    sidecar.hanging = False
    # it is given time to take them
    await until_ready(agent, within_seconds=2)


async def test_a_sidecar_that_is_away_again_and_again_is_given_no_time(
    agent: httpx.AsyncClient, broker: StandInBroker, sidecar: StandInSidecar
) -> None:
    async def names() -> set[str]:
        return failing((await agent.get("/ready")).json())

    let_wait(broker)
    for _ in range(2):
        sidecar.hanging = True
        await until_failing(agent, "dapr", "statestore", "events", within_seconds=4)
        sidecar.hanging = False
        await until_ready(agent, within_seconds=2)
    sidecar.hanging = True
    await until_failing(agent, "dapr", "statestore", "events", within_seconds=4)
    sidecar.hanging = False
    found = await until("the sidecar to be back", names, lambda found: not found & {"dapr", "statestore"}, 2)
    assert found == {"events"}, "expected no excuse for one that may die of the very record that waits"
    assert_problem(await agent.get("/ready"), 503, "17 events wait", "at offset 40")


async def test_the_check_asks_for_our_topics_alone(agent: httpx.AsyncClient, broker: StandInBroker) -> None:
    await until("the lag to be known", lambda: pubsub_lag(agent), lambda lag: lag == 0, 2)
    broker.asked_topics.clear()
    await until("another check", lambda: _asked(broker), lambda count: count > 3, 2)
    assert {frozenset(topics) for topics in broker.asked_topics} == {frozenset(broker.topics)}
    assert (await agent.get("/ready")).status_code == 200


async def _asked(broker: StandInBroker) -> int:
    return len(broker.asked_topics)


async def test_a_disk_that_is_full_is_told_by_the_events_it_refuses(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    await sql.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;"
        "CREATE TRIGGER refusing BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION refuse()"
    )
    event = cloud_event({"message": "m"})

    async def deliver_and_look() -> set[str]:
        await deliver(agent, event)
        return failing((await agent.get("/ready")).json())

    try:
        await until("events to be named", deliver_and_look, lambda names: names == {"events"}, 3)
        assert_problem(await agent.get("/ready"), 503, "events (no event could be applied for", "could not extend file")
    finally:
        await sql.execute("DROP FUNCTION refuse CASCADE")
    assert await deliver(agent, event) == "SUCCESS"
    await until_ready(agent, within_seconds=1)


async def test_a_column_that_nobody_fills_is_told_by_the_events_it_refuses(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    await sql.execute(
        "ALTER TABLE effects ADD region text, ADD CONSTRAINT has_region CHECK (region IS NOT NULL) NOT VALID"
    )

    async def deliver_and_look() -> set[str]:
        await deliver(agent, cloud_event({"message": "m"}))
        return failing((await agent.get("/ready")).json())

    try:
        await until("events to be named", deliver_and_look, lambda names: names == {"events"}, 3)
        assert_problem(await agent.get("/ready"), 503, '"has_region"')
    finally:
        await sql.execute("ALTER TABLE effects DROP region")
    assert await deliver(agent, cloud_event({"message": "m"})) == "SUCCESS"
    await until_ready(agent, within_seconds=1)


async def test_ready_tells_the_last_event_and_the_age_of_the_outbox(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    async def told() -> tuple[str | None, float | None]:
        events = (await client.get("/ready")).json()["checks"]["events"]
        return events["last_applied_at"], events["outbox_age_seconds"]

    async with running(create_app(settings)) as client:
        await until_ready(client)
        assert await deliver(client, cloud_event({"message": "m"})) == "SUCCESS"
        applied_at = await sql.fetchval("SELECT max(applied_at) FROM effects")
        shown = applied_at.isoformat(timespec="milliseconds")
        await until("the event to be told", told, lambda seen: seen == (shown, None), 1)

        sidecar.broken["publish"] = 500
        await client.post("/publish", json={"message": "m"}, headers={"prefer": "respond-async"})
        await until("the outbox to be told", told, lambda seen: seen[1] is not None and 0 < seen[1] < 5, 2)
        sidecar.broken.clear()
        await until_published(sidecar, 1)
        assert await deliver(client, sidecar.records[-1][1]) == "SUCCESS"
        await until("the outbox to be empty", told, lambda seen: seen[1] is None, 2)
