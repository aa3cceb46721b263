"""The hot routes on the fast path answer as the routes do, and do the same."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from functools import partial
from operator import eq
from pathlib import Path
from typing import Any, cast

import aiohttp
import asyncpg
import pytest
from starlette.datastructures import State

from app.event.data import PublishedData
from app.publish.publisher import Publisher, Wishes
from app.routes.fast import Publishes
from app.server.crowd import Places
from app.server.fast_path import FastPath
from tests.app.broker import StandInBroker
from tests.app.client import failing
from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.served import served
from tests.app.sidecar import StandInSidecar
from tests.app.test_service import ENVIRONMENT
from tests.app.waiting import until

pytestmark = pytest.mark.anyio

JSON = "application/json"
LEFT = {"Prefer": "anything-else"}
"""Means nothing, and leaves a request to the routes."""
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
ID = re.compile("[0-9a-f]{32}")
PLACES = 2
NEEDED = {"database", "pubsub"}
QUEUED = "SELECT key, data::text, digest, bytes, traceparent, tracestate FROM outbox ORDER BY number"


@pytest.fixture
async def client(
    emptied: PostgresServer, sidecar: StandInSidecar, broker: StandInBroker, tmp_path: Path
) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of an agent that runs as in its container, with few places, once it can publish."""
    settings = {
        "POSTGRES_PORT": str(emptied.port),
        "POSTGRES_PASSWORD": PASSWORD,
        "DAPR_HTTP_PORT": str(sidecar.port),
        "KAFKA_BROKERS": f"127.0.0.1:{broker.port}",
        "REQUESTS_AT_ONCE": str(PLACES),
        "PLACE_TIMEOUT_SECONDS": "0.3",
        # A busy machine is not taken for a sidecar or database that is away, and whoever has a place keeps it.
        "SIDECAR_TIMEOUT_SECONDS": "30",
        "DATABASE_TIMEOUT_SECONDS": "30",
        "CHECK_TIMEOUT_SECONDS": "30",
    }
    with served(tmp_path, **ENVIRONMENT | settings) as agent:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{agent.port}") as session:

            async def missing() -> set[str]:
                try:
                    async with session.get("/ready") as answer:
                        return NEEDED & failing(await answer.json(content_type=None))
                except aiohttp.ClientConnectionError:
                    return NEEDED

            await until("the agent to publish and to queue", missing, lambda names: not names, 20)
            sidecar.records.clear()
            yield session


async def publish(
    client: aiohttp.ClientSession, body: object, headers: dict[str, str]
) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of the answer to a publish; what is another each time is told as what it is."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post("/publish", data=data, headers={"Content-Type": JSON} | headers) as answer:
        told = {name.lower(): value for name, value in answer.headers.items()} | {"date": "now"}
        return answer.status, told, ID.sub("an id", await answer.text())


def record(sidecar: StandInSidecar) -> tuple[dict[str, Any], str]:
    """The last record that was published, and how it was asked for."""
    event = json.loads(sidecar.records[-1][1]) | {"id": "an id", "time": "now"}
    return event, [one for one in sidecar.requests if "/publish/" in one][-1]


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        ({"message": "m"}, {}),
        ({"message": "Müller \u2028 \"'\\", "metadata": {"key": "k/ü?", "amount": 1e3, "more": [None, {"a": 1}]}}, {}),
        (b'{"message": "m", "message": "n"}', {}),
        ({"message": "m"}, {"Content-Type": "application/json; charset=utf-8"}),
        ({"message": "m"}, {"traceparent": TRACE, "tracestate": "a=b"}),
        ({"message": "m"}, {"traceparent": "none", "tracestate": "a=b"}),
        ({"message": "m"}, {"tracestate": "a=b"}),
        ({"message": "m"}, {"Idempotency-Key": "order-1"}),
    ],
)
async def test_what_is_published_on_the_fast_path_is_what_the_route_publishes(
    client: aiohttp.ClientSession, sidecar: StandInSidecar, body: object, headers: dict[str, str]
) -> None:
    by_route = await publish(client, body, headers | LEFT), record(sidecar)
    fast = await publish(client, body, headers), record(sidecar)
    assert fast == by_route
    assert fast[0][0] == 200


async def test_what_is_queued_on_the_fast_path_is_what_the_route_queues(
    client: aiohttp.ClientSession, sql: asyncpg.Connection
) -> None:
    data = {"message": "Müller", "metadata": {"key": "k/ü?", "amount": 1e3}}
    headers = {"Prefer": "respond-async", "Idempotency-Key": "order-2", "traceparent": TRACE, "tracestate": "a=b"}
    other_way = headers | {"Prefer": "respond-async, anything-else"}
    by_route = await publish(client, data, other_way)
    assert await publish(client, data, headers) == by_route
    assert (by_route[0], by_route[1]["location"]) == (202, "/events/order-2")
    await publish(client, data, headers | {"Idempotency-Key": "order-3"})
    rows = [tuple(row) for row in await sql.fetch(QUEUED)]
    assert rows == [rows[0]] * 2
    assert rows[0][-2:] == (TRACE, "a=b")

    without_id = [headers, other_way]
    for one in without_id:
        del one["Idempotency-Key"]
    answers = [await publish(client, data, one) for one in without_id]
    assert [(status, ID.fullmatch(told.pop("location")[len("/events/") :]) is None) for status, told, _ in answers] == [
        (202, False)
    ] * 2
    assert answers[0] == answers[1]

    headers, other_way = (one | {"Idempotency-Key": "order-2"} for one in (headers, other_way))
    by_route = await publish(client, {"message": "n"}, other_way)
    assert await publish(client, {"message": "n"}, headers) == by_route
    assert (by_route[0], "Idempotency-Key" in by_route[2]) == (422, True)


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 422),
        (b"{", {}, 422),
        (b"[" * 100_000, {}, 400),
        (b'{"message": NaN}', {}, 422),
        ('{"message": "m"}'.encode("utf-16"), {}, 200),
        ({"message": "m"}, {"Content-Type": "text/plain"}, 422),
        ({"message": "m", "another": 1}, {}, 422),
        ({"message": "\ud800"}, {}, 422),
        ({"message": "m", "metadata": {"amount": 2**60}}, {}, 422),
        ({"message": "m" * 300_000}, {}, 413),
        ({"message": "m"}, {"Idempotency-Key": "a b"}, 400),
    ],
)
async def test_what_is_refused_is_refused_as_by_the_route(
    client: aiohttp.ClientSession, body: object, headers: dict[str, str], status: int
) -> None:
    by_route = await publish(client, body, headers | LEFT)
    assert await publish(client, body, headers) == by_route
    assert by_route[0] == status


@pytest.mark.parametrize("broken", [500, 403])
async def test_a_sidecar_that_refuses_is_told_as_by_the_route(
    client: aiohttp.ClientSession, sidecar: StandInSidecar, broken: int
) -> None:
    sidecar.broken["publish"] = broken
    by_route = await publish(client, {"message": "m"}, LEFT)
    fast = await publish(client, {"message": "m"}, {})
    assert fast == by_route
    assert (fast[0], "retry-after" in fast[1], '"id": "an id"' in fast[2]) == (503, True, True)


async def test_there_are_places_for_so_many_in_both_ways(
    client: aiohttp.ClientSession, sidecar: StandInSidecar
) -> None:
    async def on_their_way() -> int:
        return len(sidecar.records)

    sidecar.answers.clear()
    sidecar.records.clear()
    has_places = []
    for number, headers in enumerate([{}, LEFT][:PLACES], 1):  # each by itself: what comes together goes in one call
        has_places.append(asyncio.create_task(publish(client, {"message": "m"}, headers)))
        await until("it to be on its way", on_their_way, partial(eq, number), 5)
    crowded = [await publish(client, {"message": "m"}, headers) for headers in ({}, LEFT)]
    assert crowded[0] == crowded[1]
    assert crowded[0][0] == 503
    assert "no place came free within 0.3 s" in crowded[0][2]
    sidecar.answers.set()
    assert {status for status, _, _ in await asyncio.gather(*has_places)} == {200}


class Publishing:
    """A publisher that does as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.published: list[tuple[str, dict[str, str]]] = []

    async def accept(self, _: str, data: PublishedData, wishes: Wishes) -> None:
        """Note the event, or fail."""
        if self.error:
            raise self.error
        self.published.append((data.message, wishes.trace))


def path_to(publisher: Publishing) -> tuple[FastPath, State]:
    """The fast path to a publisher, and the state of its application."""
    state = State({"places": Places(1, 0.1), "requests": 0})
    return FastPath({"/publish": Publishes(cast("Publisher", publisher), state)}, lambda: False), state


def request(headers: dict[str, str], body: bytes = b'{"message":"m"}') -> bytes:
    lines = {"Host": "a", "Content-Length": str(len(body)), "Content-Type": JSON} | headers
    return "".join(["POST /publish HTTP/1.1", *(f"\r\n{n}: {v}" for n, v in lines.items()), "\r\n\r\n"]).encode() + body


async def test_a_usual_publish_is_taken_and_counted() -> None:
    publisher = Publishing()
    path, state = path_to(publisher)
    answering = path.take(request({"traceparent": TRACE, "User-Agent": "Java-http-client/21"}))
    assert answering
    answer = await answering
    assert (answer.status, json.loads(answer.body)["status"], state.requests) == (200, "published", 1)
    assert publisher.published == [("m", {"traceparent": TRACE})]


async def test_an_error_that_nobody_thought_of_is_a_problem(caplog: pytest.LogCaptureFixture) -> None:
    path, _ = path_to(Publishing(RuntimeError("why")))
    answering = path.take(request({}))
    assert answering
    assert (await answering).status == 500
    assert "raised" in caplog.text


@pytest.mark.parametrize(
    "headers",
    [
        LEFT,
        {"Idempotency-Key": "order 1"},
        {"Idempotency-Key": "."},
        {"Idempotency-Key": 129 * "a"},
        {"Idempotency-Key": "a\r\nidempotency-key: b"},
        {"Prefer": "respond-async, wait=10"},
        {"Prefer": "respond-async\r\nprefer: respond-async"},
        {"Content-Encoding": "gzip"},
        {"Content-Type": "application/json; charset=utf-16"},
        {"Connection": "close"},
        {"traceparent": f"{TRACE}\r\ntraceparent: {TRACE}"},
        {"tracestate": "a=b\r\ntracestate: c=d"},
    ],
)
def test_what_is_unusual_is_left(headers: dict[str, str]) -> None:
    assert path_to(Publishing())[0].take(request(headers)) is None
