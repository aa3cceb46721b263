"""Which event is which: source and id together, and data by their value."""

import asyncio
import json
from hashlib import sha256
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.event.data import EventData
from tests.app.client import assert_problem, cloud_event, deliver
from tests.app.sidecar import StandInSidecar

pytestmark = pytest.mark.anyio

OWN, OTHER, THIRD = "fastapi-dapr-agent", "https://orders.example/api?x=\u00fc", "third"


def event_of(source: str, event_id: str, data: object) -> dict[str, Any]:
    return cloud_event(data, id=event_id, source=source)


async def effects(sql: asyncpg.Connection, event_id: str) -> list[str]:
    rows = await sql.fetch("SELECT source FROM effects WHERE event_id = $1 ORDER BY number", event_id)
    return [row["source"] for row in rows]


async def shown(agent: httpx.AsyncClient, event_id: str, source: str) -> dict[str, Any]:
    body: dict[str, Any] = (await agent.get(f"/events/{event_id}", params={"source": source})).json()
    return body


@pytest.mark.parametrize("order", [(OWN, OTHER, THIRD), (OTHER, OWN, THIRD), (THIRD, OTHER, OWN)])
@pytest.mark.parametrize("same", [True, False], ids=["same data", "other data"])
async def test_an_id_is_another_event_of_every_source(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, order: tuple[str, ...], *, same: bool
) -> None:
    event_id = uuid4().hex
    events = [event_of(source, event_id, {"message": "m" if same else source}) for source in order]
    assert [await deliver(agent, event) for event in events * 3] == ["SUCCESS"] * 9

    assert not sidecar.published, "an event was dead-lettered"
    assert await effects(sql, event_id) == [*order]
    for event in events:
        seen = await shown(agent, event_id, event["source"])
        assert (seen["id"], seen["source"], seen["attempts"]) == (event_id, event["source"], 3)
        assert seen["message"] == event["data"]["message"]
    assert (await agent.get(f"/events/{event_id}")).json()["source"] == OWN


async def test_sources_that_deliver_one_id_at_the_same_time_all_have_their_effect_once(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    event_id, key = uuid4().hex, uuid4().hex
    sources = [f"source-{number}" for number in range(4)]
    events = [event_of(source, event_id, {"message": "m", "metadata": {"key": key}}) for source in sources]
    answers = await asyncio.gather(*(deliver(agent, event) for event in events * 5))
    while "RETRY" in answers:  # a connection that was late
        answers = await asyncio.gather(*(deliver(agent, event) for event in events))
    assert sorted(await effects(sql, event_id)) == sources
    body = (await agent.get("/events", params={"key": key})).json()
    assert body["totals"]["count"] == 4
    assert {(event["id"], event["source"]) for event in body["events"]} == {(event_id, one) for one in sources}


async def test_another_sources_event_under_an_id_is_no_answer_for_this_one(agent: httpx.AsyncClient) -> None:
    await deliver(agent, event_of(OTHER, event_id := uuid4().hex, {"message": "m"}))
    assert_problem(await agent.get(f"/events/{event_id}"), 404, event_id, OWN)
    assert_problem(await agent.get(f"/events/{event_id}", params={"source": THIRD}), 404, THIRD)


@pytest.mark.parametrize("source", ["", "x" * 1025, "a\0b"])
async def test_a_bad_source_is_refused_naming_it(agent: httpx.AsyncClient, source: str) -> None:
    assert_problem(await agent.get("/events/x", params={"source": source}), 422, "source")


async def test_the_longest_names_are_events_like_others(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    event_id = uuid4().hex + "\N{GRINNING FACE}" * 224
    sources = ["\N{GRINNING FACE}" * 1023 + end for end in "ab"]
    for source in sources * 2:
        assert await deliver(agent, event_of(source, event_id, {"message": "m"})) == "SUCCESS"
    assert await effects(sql, event_id) == sources
    assert (await shown(agent, event_id, sources[1]))["attempts"] == 2


async def test_an_id_with_other_data_of_its_own_source_is_dead_lettered(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    event_id = uuid4().hex
    for source in (OTHER, THIRD):
        assert await deliver(agent, event_of(source, event_id, {"message": "first"})) == "SUCCESS"
        assert await deliver(agent, event_of(source, event_id, {"message": "second"})) == "SUCCESS"
    letters = [letter["data"] for letter in sidecar.published]
    assert [(letter["id"], letter["source"]) for letter in letters] == [(event_id, OTHER), (event_id, THIRD)]
    assert all(letter["reason"].startswith("key reused") for letter in letters)


async def test_bad_events_of_two_sources_under_one_id_are_both_dead_lettered(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    event_id = uuid4().hex
    for source in (OWN, OTHER, THIRD) * 2:
        assert await deliver(agent, event_of(source, event_id, {"message": 7})) == "SUCCESS"
    assert [letter["data"]["source"] for letter in sidecar.published] == [OWN, OTHER, THIRD]
    assert (await shown(agent, event_id, OTHER))["status"] == "dead-lettered"
    assert (await shown(agent, event_id, OTHER))["source"] == OTHER


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"metadata": {"x": 12}}, {"metadata": {"x": 12.0}}),
    ({"metadata": {"amount": 1e2}}, {"metadata": {"amount": 100}}),
    ({"metadata": {"x": [0, {"y": 1.50}]}}, {"metadata": {"x": [-0.0, {"y": 1.5}]}}),
    ({"metadata": {"x": 10**20}}, {"metadata": {"x": 1e20}}),
    ({"metadata": {}}, {}),
    ({"metadata": {"a": 1, "b": 2}}, {"metadata": {"b": 2, "a": 1}}),
]
OTHERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"metadata": {"x": 12}}, {"metadata": {"x": "12"}}),
    ({"metadata": {"x": 1}}, {"metadata": {"x": True}}),
    ({"metadata": {"x": [1, 2]}}, {"metadata": {"x": [2, 1]}}),
    ({"metadata": {"x": None}}, {}),
    ({"metadata": {"x": 10**20}}, {"metadata": {"x": 10**20 + 1}}),
]
CASES = [(*pair, True) for pair in SAME] + [(*pair, False) for pair in OTHERS]


@pytest.mark.parametrize(("first", "second", "same"), CASES)
async def test_the_same_values_are_the_same_event_and_others_are_not(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, first: dict[str, Any], second: dict[str, Any], *, same: bool
) -> None:
    event_id = uuid4().hex
    for data in (first, second):
        assert await deliver(agent, cloud_event({"message": "m"} | data, id=event_id)) == "SUCCESS"
    assert len(sidecar.published) == (not same)
    assert (await agent.get(f"/events/{event_id}")).json()["attempts"] == 1 + same


@pytest.mark.parametrize(
    "other", ["9007199254740993.0", "9007199254740993e0", "90071992547409930E-1", "9007199254740993"]
)
async def test_a_whole_number_keeps_its_last_digit_however_it_is_written(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, other: str
) -> None:
    record = json.dumps(cloud_event({"message": "m", "metadata": {"x": "?"}})).replace('"?"', "9007199254740993")
    for one in (record, record.replace("9007199254740993", other)):
        assert await deliver(agent, one.encode()) == "SUCCESS"
    assert sidecar.published == []
    event = (await agent.get(f"/events/{json.loads(record)['id']}")).json()
    assert (event["attempts"], event["metadata"]) == (2, {"x": 9007199254740993})


async def test_letters_of_several_sources_under_one_id_are_several_events(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    event_id = uuid4().hex
    bad = [(OWN, {"message": 7}), (OTHER, {"message": 7}), (THIRD, {"message": 7}), (THIRD, {"message": 8})]
    for offset, (source, data) in enumerate(bad):
        await deliver(agent, event_of(source, event_id, data), 0, offset)
    letters = [(letter["source"], letter["id"]) for letter in sidecar.published]
    assert len({*letters, (OWN, event_id)}) == 5
    assert {letter["data"]["id"] for letter in sidecar.published} == {event_id}


@pytest.mark.parametrize("applied", [True, False], ids=["applied", "in the outbox"])
@pytest.mark.parametrize(("first", "second", "same"), CASES)
async def test_an_idempotency_key_is_of_the_same_values(
    agent: httpx.AsyncClient, first: dict[str, Any], second: dict[str, Any], *, same: bool, applied: bool
) -> None:
    headers, later = {"Idempotency-Key": uuid4().hex}, {"Prefer": "respond-async"}
    if applied:
        await deliver(agent, cloud_event({"message": "m"} | first, id=headers["Idempotency-Key"]))
    else:
        await agent.post("/publish", json={"message": "m"} | first, headers=headers | later)
    for way in (headers, headers | later):
        answer = await agent.post("/publish", json={"message": "m"} | second, headers=way)
        assert (answer.status_code == 422) == (not same), answer.text


async def test_a_failure_of_no_source_does_not_hide_our_own_event(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    assert await deliver(agent, {"id": event_id}) == "SUCCESS"
    seen = (await agent.get(f"/events/{event_id}")).json()
    assert (seen["status"], seen["source"]) == ("dead-lettered", None)
    sidecar.broken["publish"] = 500
    await agent.post(
        "/publish", json={"message": "m"}, headers={"Prefer": "respond-async", "Idempotency-Key": event_id}
    )
    seen = (await agent.get(f"/events/{event_id}")).json()
    assert (seen["status"], seen["source"]) == ("queued", OWN)
    await sql.execute("DELETE FROM outbox")


async def test_a_failure_of_an_earlier_attempt_does_not_hide_what_is_queued_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    assert await deliver(agent, event_of(OWN, event_id, {"message": 7})) == "SUCCESS"
    assert (await agent.get(f"/events/{event_id}")).json()["status"] == "dead-lettered"
    assert await deliver(agent, event_of(OTHER, event_id, {"message": 7})) == "SUCCESS"
    sidecar.broken["publish"] = 500
    headers = {"Prefer": "respond-async", "Idempotency-Key": event_id}
    assert (await agent.post("/publish", json={"message": "m"}, headers=headers)).status_code == 202
    assert (await agent.get(f"/events/{event_id}")).json()["status"] == "queued"
    theirs = (await agent.get(f"/events/{event_id}", params={"source": OTHER})).json()
    assert theirs["status"] == "dead-lettered"
    await sql.execute("UPDATE outbox SET created_at = now() - interval '1 hour'")
    assert (await agent.get(f"/events/{event_id}")).json()["status"] == "dead-lettered"
    await sql.execute("DELETE FROM outbox")


async def test_another_sources_event_takes_no_idempotency_key_from_us_and_nothing_from_the_outbox(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    await deliver(agent, event_of(OTHER, event_id, {"message": "theirs"}))
    headers = {"Idempotency-Key": event_id}
    body = {"message": "ours"}
    assert (await agent.post("/publish", json=body, headers=headers)).status_code == 200
    asked = headers | {"Prefer": "respond-async"}
    assert (await agent.post("/publish", json=body, headers=asked)).status_code == 202
    assert (await agent.get(f"/events/{event_id}")).json()["status"] in ("queued", "published")
    assert await deliver(agent, sidecar.records[0][1]) == "SUCCESS"
    assert await effects(sql, event_id) == [OTHER, OWN]
    assert_problem(await agent.post("/publish", json={"message": "another"}, headers=asked), 422, "Idempotency-Key")


@pytest.mark.parametrize(
    "data",
    [
        {"message": 'Müller "1"\n'},
        {"message": "", "metadata": {}},
        {"message": "m", "metadata": {"key": "k", "amount": 12.0}},
        {
            "message": "m",
            "metadata": {"key": "", "_b": {"z": [1, 1e22, None, {"b": "\u2028", "a": "€"}]}, "Ä": -0.5, "A": True},
        },
    ],
)
def test_data_have_the_digest_that_the_version_before_gives_them(data: dict[str, Any]) -> None:
    written = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    assert EventData.model_validate(data).canonical == written
    assert EventData.model_validate(data | {"another": 1}).digest == sha256(written.encode()).digest()
