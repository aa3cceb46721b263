"""Events that were published and are not applied: Kafka may have lost them."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from itertools import pairwise
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.main import create_app
from tests.app.client import cloud_event, deliver, running, until_ready
from tests.app.sidecar import StandInSidecar
from tests.app.test_outbox import queue, status, until_empty, until_published
from tests.app.waiting import until

pytestmark = pytest.mark.anyio


@pytest.fixture
async def agent(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent that takes an event for lost after a third of a second."""
    async with running(create_app(settings.model_copy(update={"outbox_resend_seconds": 0.3}))) as client:
        await until_ready(client)
        yield client


async def test_an_event_that_kafka_lost_is_sent_again_until_it_is_applied(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await queue(agent, event_id := uuid4().hex, key="k")
    assert await until_published(sidecar, 3) == [event_id] * 3
    assert len({record for _, record in sidecar.records}) == 1, "it is not the same record each time"
    warnings = [line.getMessage() for line in caplog.records if "sent again" in line.getMessage()]
    assert event_id in warnings[0]

    assert await deliver(agent, sidecar.records[-1][1]) == "SUCCESS"
    await until_empty(sql)
    assert await status(agent, event_id) == "applied"


@pytest.mark.parametrize("other", [{"message": "other"}, {"metadata": {"key": "other"}}], ids=["message", "metadata"])
async def test_an_event_whose_id_was_applied_with_other_data_is_sent_until_that_is_told(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, other: dict[str, Any]
) -> None:
    event_id = uuid4().hex
    assert (await queue(agent, event_id, key="k")).status_code == 202
    await until_published(sidecar, 1)
    data = json.loads(sidecar.records[-1][1])["data"] | other
    assert await deliver(agent, cloud_event(data, id=event_id)) == "SUCCESS"
    assert await until_published(sidecar, 3) == [event_id] * 3, (
        "expected it to be sent again, as Kafka may have lost it"
    )
    assert await deliver(agent, sidecar.records[-1][1]) == "SUCCESS"
    await until_empty(sql)


async def test_each_time_takes_twice_as_long_as_the_one_before(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await queue(agent, uuid4().hex)
    times = []
    for count in range(1, 5):
        await until_published(sidecar, count, within_seconds=10)
        times.append(asyncio.get_running_loop().time())
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert all(wait > least for wait, least in zip(waits, (0.25, 0.55, 1.15), strict=True)), waits

    async def resent() -> int:
        count: int = await sql.fetchval("SELECT resent FROM outbox")
        return count

    # it is committed after it was sent
    await until("the third time to be noted", resent, lambda count: count == 3, 3)


async def test_what_was_dead_lettered_is_not_sent_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await sql.execute("ALTER TABLE effects ADD CONSTRAINT trap CHECK (key <> 'lost') NOT VALID")
    try:
        await queue(agent, event_id := uuid4().hex, key="lost")
        await until_published(sidecar, 1)
        for _ in range(3):
            await deliver(agent, sidecar.records[0][1])
        await until_empty(sql)
    finally:
        await sql.execute("ALTER TABLE effects DROP CONSTRAINT trap")
    assert await status(agent, event_id) == "dead-lettered"


async def test_an_event_that_was_dead_lettered_before_it_was_queued_is_sent_all_the_same(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await sql.execute("ALTER TABLE effects ADD CONSTRAINT trap CHECK (key <> 'lost') NOT VALID")
    try:
        event = cloud_event({"message": "m", "metadata": {"key": "lost"}})
        assert [await deliver(agent, event) for _ in range(3)] == ["RETRY", "RETRY", "SUCCESS"]
    finally:
        await sql.execute("ALTER TABLE effects DROP CONSTRAINT trap")
    await queue(agent, event["id"], key="lost")
    sent = [event["id"]] * 2
    assert (await until_published(sidecar, 3))[1:] == sent, "expected it to be taken for lost until it is delivered"
    assert await deliver(agent, sidecar.records[-1][1]) == "SUCCESS"
    await until_empty(sql)


async def test_an_event_of_another_source_under_its_id_does_not_take_it_from_the_outbox(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await queue(agent, event_id := uuid4().hex)
    await deliver(agent, cloud_event({"message": "m", "metadata": {"key": ""}}, id=event_id, source="another"))
    await until_published(sidecar, 3)
    assert await sql.fetchval("SELECT count(*) FROM outbox") == 1
    assert await deliver(agent, sidecar.records[0][1]) == "SUCCESS"
    await until_empty(sql)
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event_id) == 2


async def test_an_event_tells_when_it_was_published_and_in_which_trace(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    named = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"}
    for prefer in ("respond-async", "wait=1"):
        await agent.post("/publish", json={"message": "m"}, headers=named | {"Prefer": prefer})
    await until_published(sidecar, 2)
    for _, record in sidecar.records:
        event = json.loads(record)
        assert {name: event[name] for name in named} == named
        assert datetime.fromisoformat(event["time"]).tzinfo


@pytest.mark.parametrize(
    "traceparent", ["", "nonsense", f"ff-{'a' * 32}-{'b' * 16}-01", f"00-{'0' * 32}-{'b' * 16}-01"]
)
async def test_a_trace_that_is_none_is_left_out(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, traceparent: str
) -> None:
    headers = {"traceparent": traceparent, "tracestate": "vendor=1"}
    assert (await agent.post("/publish", json={"message": "m"}, headers=headers)).status_code == 200
    assert not sidecar.published[0].keys() & headers.keys()
