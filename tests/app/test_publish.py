"""Publishing through the sidecar."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.server.limits import LIMITS_BYTES
from tests.app.broker import StandInBroker
from tests.app.client import assert_problem, deliver, until_failing
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import in_time, until

pytestmark = pytest.mark.anyio

DEEP: list[Any] = []
for _ in range(70):
    DEEP = [DEEP]
BAD: list[tuple[Any, str]] = [
    ({}, "message"),
    ({"message": None}, "message"),
    ({"message": 3}, "message"),
    ({"message": "a\0b"}, "message"),
    ({"message": "\ud800"}, "message"),
    ({"message": "m", "colour": "red"}, "colour"),
    ({"message": "m", "metdata": {}}, "metdata"),
    ({"message": "m", "metadata": None}, "metadata"),
    ({"message": "m", "metadata": []}, "metadata"),
    ({"message": "m", "metadata": {"key": 3}}, "metadata.key"),
    ({"message": "m", "metadata": {"key": "a\nb"}}, "metadata.key"),
    ({"message": "m", "metadata": {"key": "x" * 257}}, "metadata.key"),
    ({"message": "m", "metadata": {"amount": False}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": "1"}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": float("inf")}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": -(2**53) - 1}}, "metadata.amount"),
    ({"message": "m", "metadata": {"x": "\0"}}, "metadata"),
    ({"message": "m", "metadata": {"\ud800": 1}}, "metadata"),
    ({"message": "m", "metadata": {"x": float("nan")}}, "metadata"),
    ({"message": "m", "metadata": {"x": 10**309}}, "metadata"),
    ({"message": "m", "metadata": {"x": DEEP}}, "metadata"),
    ([], "body"),
    ("text", "body"),
    (None, "body"),
]


async def test_an_event_is_published_under_our_own_id(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    metadata = {"key": "a/b &=ü", "amount": 1.5, "more": {"list": [1, None, "x"]}}
    response = await agent.post("/publish", json={"message": "hello", "metadata": metadata})

    body = response.json()
    assert response.status_code == 200, response.text
    assert body == {"status": "published", "topic": "agent-events", "message": "hello", "id": body["id"]}
    (event,) = sidecar.published
    assert (event["topic"], event["type"], event["specversion"]) == ("agent-events", "fastapi-dapr-agent.event", "1.0")
    assert event["id"] == body["id"]
    assert event["data"] == {"message": "hello", "metadata": metadata}
    assert event["query"] == {"metadata.partitionKey": "a/b &=ü"}


async def test_an_event_without_key_has_no_partition_key(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    assert (await agent.post("/publish", json={"message": ""})).status_code == 200
    (event,) = sidecar.published
    assert (event["query"], event["data"]) == ({}, {"message": ""})


async def test_what_is_published_can_be_applied(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    event_id = (await agent.post("/publish", json={"message": "m", "metadata": {"x": 10**300 + 1}})).json()["id"]
    assert await deliver(agent, sidecar.published[0]) == "SUCCESS"
    assert (await agent.get(f"/events/{event_id}")).json()["metadata"] == {"x": 10**300 + 1}


@pytest.mark.parametrize(("body", "field"), BAD, ids=[f"{case[0]!r:.40}" for case in BAD])
async def test_bad_input_is_refused_naming_the_field(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, body: object, field: str
) -> None:
    headers = {"content-type": "application/json"}
    response = await agent.post("/publish", content=json.dumps(body).encode(), headers=headers)
    problem = assert_problem(response, 422, field)
    assert problem["errors"][0]["field"] == field
    assert not sidecar.published


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 422), (b"{", 422), (b"\xff", 400), (b"[" * 100_000, 400), (b'{"message": ' + b"1" * 5000 + b"}", 400)],
    ids=["empty", "cut off", "not UTF-8", "deep", "huge number"],
)
async def test_a_body_that_is_not_json_is_refused(agent: httpx.AsyncClient, body: bytes, status: int) -> None:
    response = await agent.post("/publish", content=body, headers={"content-type": "application/json"})
    assert_problem(response, status, "body")


async def test_a_large_body_is_refused(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    assert (await agent.post("/publish", json={"message": "x" * 250_000})).status_code == 200
    for path in ("/publish", "/publish%0A"):
        assert_problem(await agent.post(path, json={"message": "x" * 262_144}), 413, "256 KiB")
    assert len(sidecar.published) == 1


@pytest.mark.parametrize(("prefer", "status"), [("respond-async", 202), ("wait=2", 200)])
async def test_what_grows_beyond_the_limit_of_kafka_is_refused_in_both_modes(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, monkeypatch: pytest.MonkeyPatch, prefer: str, status: int
) -> None:
    # of what is taken today even the number that grows most when it is written anew fits
    monkeypatch.setitem(LIMITS_BYTES, "/publish", 2 * 1024 * 1024)
    headers = {"prefer": prefer, "content-type": "application/json"}

    def body(numbers: int) -> str:
        return json.dumps({"message": "m", "metadata": {"key": "\u00fc" * 256, "x": [1e15] * numbers}})

    assert (await agent.post("/publish", content=body(54_900), headers=headers)).status_code == status

    async def published() -> int:
        return len(sidecar.published)

    await until("the event to be published", published, lambda count: count == 1, 2)
    assert len(sidecar.records[0][1]) < 1_048_588 - 2 * 512
    assert_problem(await agent.post("/publish", content=body(55_100), headers=headers), 413, "Kafka")
    assert len(sidecar.published) == 1


async def test_a_large_body_without_length_is_refused(agent: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(300):
            yield b" " * 1024

    headers = {"content-type": "application/json"}
    assert_problem(await agent.post("/publish", content=chunks(), headers=headers), 413, "256 KiB")


async def test_without_the_broker_nothing_is_sent_to_the_sidecar(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await broker.stop()
    await until_failing(agent, "pubsub")

    response = await agent.post("/publish", json={"message": "m"})

    problem = assert_problem(response, 503, "pubsub")
    assert problem["id"]
    assert int(response.headers["retry-after"]) > 0
    assert response.elapsed.total_seconds() < in_time(0.5)
    assert not [request for request in sidecar.requests if "publish" in request]
    await broker.start()


@pytest.mark.brief
@pytest.mark.parametrize("how", ["fails", "hangs", "is gone"])
async def test_a_sidecar_that_does_not_publish_is_a_503_with_the_id(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, how: str
) -> None:
    if how == "fails":
        sidecar.broken["publish"] = 500
    if how == "is gone":
        await sidecar.stop()
    sidecar.hanging = how == "hangs"

    response = await agent.post("/publish", json={"message": "m"})

    problem = assert_problem(response, 503, "pubsub", "sidecar")
    assert len(problem["id"]) == 32
    assert int(response.headers["retry-after"]) > 0
    if how == "is gone":
        await sidecar.start()
