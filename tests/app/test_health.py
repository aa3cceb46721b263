"""Liveness and readiness, with each dependency away in turn."""

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import NamedTuple
from unittest.mock import AsyncMock, Mock

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.kafka.broker import Broker
from app.main import create_app
from app.sidecar.api import STATESTORE, SUBSCRIPTIONS
from app.sidecar.recovery import Recovery
from tests.app.broker import StandInBroker
from tests.app.client import assert_problem, failing, running, until_failing, until_ready
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import SLOWER, in_time, until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]


class World(NamedTuple):
    """Everything that can go away."""

    postgres: PostgresServer
    sidecar: StandInSidecar
    broker: StandInBroker


@pytest.fixture
def world(postgres: PostgresServer, sidecar: StandInSidecar, broker: StandInBroker) -> World:
    return World(postgres, sidecar, broker)


async def stop_database(world: World) -> None:
    world.postgres.stop()


async def freeze_database(world: World) -> None:
    world.postgres.freeze()


async def stop_broker(world: World) -> None:
    await world.broker.stop()


async def freeze_broker(world: World) -> None:
    world.broker.frozen = True


async def lose_topic(world: World) -> None:
    world.broker.topics.remove("agent-events")


async def stop_sidecar(world: World) -> None:
    await world.sidecar.stop()


async def hang_sidecar(world: World) -> None:
    world.sidecar.hanging = True


async def unload_pubsub(world: World) -> None:
    world.sidecar.components.remove("kafka-pubsub")


async def unload_statestore(world: World) -> None:
    world.sidecar.components.remove("postgres-statestore")


async def unload_subscription(world: World) -> None:
    world.sidecar.subscriptions = []


async def break_state(world: World) -> None:
    world.sidecar.broken["state"] = 500


Loss = Callable[[World], Awaitable[None]]
LOSSES: list[tuple[Loss, set[str], str, set[str]]] = [
    # what is lost, the checks that fail, a word of the detail, the checks that fail with for=serving
    (stop_database, {"database"}, "database", {"database"}),
    (freeze_database, {"database"}, "database", {"database"}),
    (stop_broker, {"pubsub"}, "pubsub", set()),
    (freeze_broker, {"pubsub"}, "pubsub", set()),
    (lose_topic, {"pubsub"}, "topic agent-events is missing, `make topics` makes it", set()),
    (stop_sidecar, {"dapr", "statestore"}, "dapr", {"dapr", "statestore"}),
    (hang_sidecar, {"dapr", "statestore"}, "no answer within", {"dapr", "statestore"}),
    (unload_pubsub, {"dapr"}, "component kafka-pubsub", set()),
    (unload_subscription, {"dapr"}, "subscription agent-events", set()),
    (unload_statestore, {"dapr", "statestore"}, "component postgres-statestore", {"dapr", "statestore"}),
    (break_state, {"statestore"}, "statestore", {"statestore"}),
]


async def test_health_asks_nobody(settings: Settings, world: World) -> None:
    await stop_sidecar(world)
    await stop_broker(world)
    world.postgres.stop()
    async with running(create_app(settings)) as client:
        response = await client.get("/health")
    await world.sidecar.start()
    await world.broker.start()
    assert (response.status_code, response.json()) == (200, {"status": "healthy", "service": "fastapi-dapr-agent"})


async def test_ready_describes_every_dependency(agent: httpx.AsyncClient) -> None:
    body = (await agent.get("/ready")).json()
    assert body["status"] == "ready"
    assert set(body["checks"]) == {"api", "database", "dapr", "pubsub", "statestore", "events"}
    for check in body["checks"].values():
        assert set(check) >= {"status", "since", "error", "latency_ms"}
        assert (check["status"], check["error"]) == ("ok", None)


async def test_ready_says_no_before_the_first_checks(settings: Settings) -> None:
    async with running(create_app(settings)) as client:
        body = assert_problem(await client.get("/ready"), 503, "not checked yet")
    assert "database" in failing(body)


@pytest.mark.parametrize("loss", LOSSES, ids=[loss[0].__name__ for loss in LOSSES])
async def test_ready_names_what_is_lost(
    agent: httpx.AsyncClient, world: World, loss: tuple[Loss, set[str], str, set[str]]
) -> None:
    lose, strict, word, serving = loss
    since = (await agent.get("/ready")).json()["checks"]

    await lose(world)
    await until_failing(agent, *strict)

    body = assert_problem(await agent.get("/ready"), 503, word, *strict)
    for name in strict:
        assert body["checks"][name]["since"] > since[name]["since"]
        assert body["checks"][name]["error"]
    view = await agent.get("/ready", params={"for": "serving"})
    assert "pubsub" not in view.json()["checks"]
    assert failing(view.json()) == serving
    assert view.status_code == (503 if serving else 200)
    if lose is stop_sidecar:
        await world.sidecar.start()
    if lose is stop_broker:
        await world.broker.start()


async def test_ready_names_a_database_that_takes_no_writes(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    await sql.execute("ALTER SYSTEM SET default_transaction_read_only = on")
    try:
        await sql.execute("SELECT pg_reload_conf()")
        await until_failing(agent, "database")
        assert_problem(await agent.get("/ready"), 503, "database (the server is read-only")
    finally:
        await sql.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await sql.execute("SELECT pg_reload_conf()")
    await until_ready(agent, within_seconds=1)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_ready_recovers_with_the_broker(agent: httpx.AsyncClient, broker: StandInBroker, how: str) -> None:
    if how == "stopped":
        await broker.stop()
    broker.frozen = how == "frozen"
    await until_failing(agent, "pubsub")

    if how == "stopped":
        await broker.start()
    broker.frozen = False

    await until_ready(agent, within_seconds=1)


async def test_ready_comes_with_a_broker_that_is_later_than_the_agent(
    settings: Settings, broker: StandInBroker
) -> None:
    await broker.stop()
    async with running(create_app(settings)) as client:
        await until_failing(client, "pubsub")
        await broker.start()
        await until_ready(client, within_seconds=1)


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_ready_recovers_with_the_database(agent: httpx.AsyncClient, postgres: PostgresServer, how: str) -> None:
    postgres.take_away(how)
    await until_failing(agent, "database")

    postgres.restore()

    await until_ready(agent, within_seconds=1)


async def test_ready_never_waits_for_a_dependency(agent: httpx.AsyncClient, world: World) -> None:
    world.sidecar.hanging = world.broker.frozen = True
    world.postgres.freeze()
    await until_failing(agent, "database", "dapr", "pubsub", "statestore")
    times: list[float] = []
    while sum(times) < 1:  # several periods of the checks
        started = perf_counter()
        await agent.get("/ready")
        times.append(perf_counter() - started)
    p95 = sorted(times)[int(len(times) * 0.95)]
    assert p95 < in_time(0.05), f"p95 of {len(times)} probes: {p95 * 1000:.1f} ms, expected 50 ms x {SLOWER}"


async def test_ready_refuses_another_view(agent: httpx.AsyncClient) -> None:
    assert_problem(await agent.get("/ready", params={"for": "lunch"}), 422, "for")


async def test_ready_says_no_while_shutting_down(settings: Settings) -> None:
    app = create_app(settings)
    async with running(app) as client:
        await until_ready(client)
        app.state.draining = True
        assert failing((await client.get("/ready")).json()) == {"api"}, "expected it at once, not after the next check"
        assert_problem(await client.get("/ready", params={"for": "serving"}), 503, "shutting down")


async def test_a_sidecar_without_a_component_is_restarted_once_its_backend_is_back(
    agent: httpx.AsyncClient, world: World
) -> None:
    await stop_broker(world)
    await until_failing(agent, "pubsub")
    await unload_pubsub(world)
    await until_failing(agent, "pubsub", "dapr")
    assert world.sidecar.shutdowns == 0

    await world.broker.start()

    async def shutdowns() -> int:
        return world.sidecar.shutdowns

    await until("a shutdown of the sidecar", shutdowns, lambda count: count == 1, 2)


@pytest.mark.parametrize("seconds", [0.0, 0.3], ids=["at once", "slowly"])
async def test_what_no_restart_cures_is_given_up_aloud(settings: Settings, world: World, seconds: float) -> None:
    world.sidecar.metadata_seconds = seconds
    eager = settings.model_copy(update={"sidecar_restart_interval_seconds": 1.0})
    world.sidecar.components.remove(STATESTORE)
    async with running(create_app(eager)) as client:

        async def told() -> str:
            return str((await client.get("/ready")).json()["detail"])

        await until("it to be given up", told, lambda detail: "a restart of the sidecar was in vain" in detail, 6)
        await asyncio.sleep(2)
    # the first one for a database that was not found yet
    assert world.sidecar.shutdowns == 2


async def test_a_sidecar_that_stopped_answering_is_not_restarted_for_what_it_lacked_before(
    agent: httpx.AsyncClient, world: World
) -> None:
    await stop_broker(world)
    await unload_pubsub(world)
    await until_failing(agent, "pubsub", "dapr")
    await hang_sidecar(world)
    await until_failing(agent, "pubsub", "dapr", "statestore")
    await world.broker.start()
    await until_failing(agent, "dapr", "statestore")
    await asyncio.sleep(1)  # twice the grace period
    assert "POST /v1.0/shutdown" not in world.sidecar.requests


async def test_a_check_that_no_longer_runs_counts_as_failing(
    agent: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = AsyncMock(side_effect=asyncio.CancelledError)
    monkeypatch.setattr(Broker, "describe_topics", ended)
    await until_failing(agent, "pubsub", within_seconds=5)
    assert_problem(await agent.get("/ready"), 503, "pubsub (last checked ")
    assert_problem(await agent.post("/publish", json={"message": "m"}), 503, "pubsub")
    assert ended.await_count == 1


@pytest.mark.usefixtures("agent")
async def test_recovery_goes_on_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Mock(side_effect=RuntimeError)
    monkeypatch.setattr(Recovery, "is_due", rule)

    async def attempts() -> int:
        return rule.call_count

    await until("another attempt", attempts, lambda count: count > 1, 1)


async def test_the_view_for_events_asks_for_the_database_alone(agent: httpx.AsyncClient, world: World) -> None:
    await stop_broker(world)
    await hang_sidecar(world)
    await until_failing(agent, "dapr", "pubsub", "statestore")
    answer = await agent.get("/ready", params={"for": "events"})
    assert (answer.status_code, set(answer.json()["checks"])) == (200, {"database"})
    await world.broker.start()


async def test_the_view_for_events_says_no_before_the_first_check(settings: Settings) -> None:
    async with running(create_app(settings)) as client:
        assert_problem(await client.get("/ready", params={"for": "events"}), 503, "not checked yet")
        await until_ready(client)
        assert (await client.get("/ready", params={"for": "events"})).status_code == 200


async def test_the_view_for_events_says_yes_while_shutting_down(settings: Settings) -> None:
    app = create_app(settings)
    async with running(app) as client:
        await until_ready(client)
        app.state.draining = True
        assert (await client.get("/ready")).status_code == 503
        assert (await client.get("/ready", params={"for": "events"})).status_code == 200


async def events_view(client: httpx.AsyncClient) -> int:
    return (await client.get("/ready", params={"for": "events"})).status_code


@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_the_view_for_events_says_no_while_the_database_is_away_for_longer_than_a_blip(
    agent: httpx.AsyncClient, postgres: PostgresServer, how: str
) -> None:
    postgres.take_away(how)
    await until_failing(agent, "database")
    view = await agent.get("/ready", params={"for": "events"})
    assert (view.status_code, view.json()["checks"]["database"]["error"]) == (200, None), "expected a blip to be borne"

    await until("the events to be given away", lambda: events_view(agent), lambda status: status == 503, 2)
    assert_problem(await agent.get("/ready", params={"for": "events"}), 503, "database (")

    postgres.restore()
    await until("the events to be taken again", lambda: events_view(agent), lambda status: status == 200, 2)


async def test_the_view_for_events_says_no_when_a_statement_cannot_run(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    await sql.execute("ALTER TABLE effects RENAME amount TO amt")
    try:
        await until("the events to be given away", lambda: events_view(agent), lambda status: status == 503, 2)
    finally:
        await sql.execute("ALTER TABLE effects RENAME amt TO amount")
    await until("the events to be taken again", lambda: events_view(agent), lambda status: status == 200, 2)


async def test_a_sidecar_that_waits_for_the_database_to_subscribe_is_not_restarted(
    settings: Settings, world: World
) -> None:
    world.postgres.stop()
    world.sidecar.subscriptions = []
    async with running(create_app(settings)) as client:
        await until_failing(client, "database", "dapr")
        await asyncio.sleep(3.5)  # longer than a sidecar that lacks subscriptions is given
        assert world.sidecar.shutdowns == 0
        world.postgres.restore()
        await until_failing(client, "dapr")
        world.sidecar.subscriptions = SUBSCRIPTIONS
        await until_ready(client)
    assert world.sidecar.shutdowns == 0
