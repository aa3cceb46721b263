"""Events as daprd delivers them, and what they do to the database."""

import asyncio
import base64
import json
import logging
from functools import partial
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.main import create_app
from tests.app.client import cloud_event, deliver, running, until_failing, until_ready
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar, as_delivered
from tests.app.waiting import until

pytestmark = pytest.mark.anyio

SURROGATE = b'"\\ud800"'
GOOD: dict[str, Any] = {"message": "hello", "metadata": {"key": "k", "amount": 2}}
BROKEN: list[tuple[str, bytes, str]] = [
    ("empty body", b"", "not JSON"),
    ("not JSON", b"not json", "not JSON"),
    ("not UTF-8", b'{"id": "\xff"}', "not JSON"),
    ("deep", b"[" * 100_000, "not JSON"),
    ("null", b"null", "not a CloudEvent"),
    ("list", b"[1]", "not a CloudEvent"),
    ("no id", json.dumps(cloud_event(GOOD, id=None)).encode(), "id"),
    ("empty id", json.dumps(cloud_event(GOOD, id="")).encode(), "id"),
    ("id of a wrong type", json.dumps(cloud_event(GOOD, id=7)).encode(), "id"),
    ("long id", json.dumps(cloud_event(GOOD, id="x" * 257)).encode(), "id"),
    ("NUL in id", json.dumps(cloud_event(GOOD, id="a\0")).encode(), "id"),
    ("surrogate in id", json.dumps(cloud_event(GOOD, id="\ud800")).encode(), "id"),
]
BAD_DATA: list[tuple[Any, str]] = [
    (None, "data"),
    ("text", "data"),
    ({}, "message"),
    ({"message": 7}, "message"),
    ({"message": "a\0b"}, "message"),
    ({"message": "\ud800"}, "message"),
    ({"message": "m", "metadata": 3}, "metadata"),
    ({"message": "m", "metadata": {"key": 3}}, "metadata.key"),
    ({"message": "m", "metadata": {"key": "a\nb"}}, "metadata.key"),
    ({"message": "m", "metadata": {"key": "x" * 257}}, "metadata.key"),
    ({"message": "m", "metadata": {"amount": True}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": "1"}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": float("nan")}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": float("inf")}}, "metadata.amount"),
    ({"message": "m", "metadata": {"amount": 2**53 + 1}}, "metadata.amount"),
    ({"message": "m", "metadata": {"x": "a\0b"}}, "metadata"),
    ({"message": "m", "metadata": {"a\0b": 1}}, "metadata"),
    ({"message": "m", "metadata": {"x": ["\ud800"]}}, "metadata"),
    ({"message": "m", "metadata": {"x": float("inf")}}, "metadata"),
    ({"message": "m", "metadata": {"x": -(10**400)}}, "metadata"),
]


async def total(client: httpx.AsyncClient, key: str) -> tuple[int, float]:
    totals = (await client.get("/events", params={"key": key})).json()["totals"]
    return totals["count"], totals["amount"]


async def effects_of(sql: asyncpg.Connection, event: dict[str, Any]) -> int:
    count: int = await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event["id"])
    return count


async def test_an_event_has_its_effect(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    key = cloud_event(None)["id"]
    event = cloud_event({"message": "hello", "metadata": {"key": key, "amount": 2.5, "colour": {"r": [1]}}})

    assert await deliver(agent, event, partition=5, offset=42) == "SUCCESS"

    seen = (await agent.get(f"/events/{event['id']}")).json()
    assert seen.pop("applied_at")
    assert seen == {
        "id": event["id"],
        "source": "fastapi-dapr-agent",
        "key": key,
        "message": "hello",
        "metadata": {"key": key, "amount": 2.5, "colour": {"r": [1]}},
        "status": "applied",
        "attempts": 1,
        "partition": 5,
        "offset": 42,
    }
    assert await total(agent, key) == (1, 2.5)
    assert await effects_of(sql, event) == 1


async def test_an_event_without_metadata_counts_for_the_empty_key(agent: httpx.AsyncClient) -> None:
    count, amount = await total(agent, "")
    assert await deliver(agent, cloud_event({"message": "m"})) == "SUCCESS"
    assert await total(agent, "") == (count + 1, amount)


async def test_a_redelivered_event_changes_nothing(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    key = cloud_event(None)["id"]
    event = cloud_event({"message": "m", "metadata": {"key": key, "amount": 3}})
    first = [await deliver(agent, event), (await agent.get(f"/events/{event['id']}")).json()]

    again = [await deliver(agent, event, offset=18), (await agent.get(f"/events/{event['id']}")).json()]

    assert again == [first[0], first[1] | {"attempts": 2}]
    assert (await effects_of(sql, event), await total(agent, key)) == (1, (1, 3))


async def until_applied(agent: httpx.AsyncClient, event: dict[str, Any]) -> None:
    """Deliver as daprd does: again while the answer is RETRY, which a busy machine makes of a late connection."""
    await until("it to be applied", partial(deliver, agent, event), lambda answer: answer == "SUCCESS", 10)


async def test_concurrent_deliveries_apply_once(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    key = cloud_event(None)["id"]
    event = cloud_event({"message": "m", "metadata": {"key": key, "amount": 1}})
    await asyncio.gather(*(until_applied(agent, event) for _ in range(20)))
    assert (await effects_of(sql, event), await total(agent, key)) == (1, (1, 1))


async def test_events_of_one_key_add_up(agent: httpx.AsyncClient) -> None:
    key = cloud_event(None)["id"]
    events = [cloud_event({"message": str(n), "metadata": {"key": key, "amount": n}}) for n in range(1, 31)]
    await asyncio.gather(*(until_applied(agent, event) for event in events))
    body = (await agent.get("/events", params={"key": key})).json()
    assert body["totals"] == {"count": 30, "amount": 465}
    assert {event["id"] for event in body["events"]} == {event["id"] for event in events}


@pytest.mark.parametrize(("body", "reason"), [case[1:] for case in BROKEN], ids=[case[0] for case in BROKEN])
async def test_a_body_that_is_no_event_is_dead_lettered(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, body: bytes, reason: str
) -> None:
    offset = abs(hash(body)) % 10**9
    assert await deliver(agent, body, partition=6, offset=offset) == "SUCCESS"

    (letter,) = sidecar.published
    assert letter["topic"] == "agent-events-dead-letters"
    assert letter["data"]["id"] == f"position:6:{offset}"
    assert reason in letter["data"]["reason"]
    assert base64.b64decode(letter["data"]["original_base64"]) == body
    seen = (await agent.get(f"/events/position:6:{offset}")).json()
    assert (seen["status"], seen["attempts"], seen["partition"]) == ("dead-lettered", 1, 6)


@pytest.mark.parametrize(("data", "field"), BAD_DATA, ids=[f"{case[0]!r:.40}" for case in BAD_DATA])
async def test_an_event_with_bad_data_is_dead_lettered_under_its_own_id(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, data: object, field: str
) -> None:
    event = cloud_event(data)
    assert await deliver(agent, event) == "SUCCESS"
    (letter,) = sidecar.published
    assert (letter["data"]["id"], letter["data"]["attempts"]) == (event["id"], 1)
    assert field in letter["data"]["reason"]
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "dead-lettered"

    assert await deliver(agent, event) == "SUCCESS"
    assert len(sidecar.published) == 1, "a redelivered event was dead-lettered twice"


async def test_a_body_without_position_is_known_by_its_content(agent: httpx.AsyncClient) -> None:
    for headers in (
        {},
        {"__partition": str(2**31), "__offset": str(2**63)},
        {"__partition": "x", "__offset": "-1"},
        {"__partition": "9" * 30, "__offset": "1.5"},
    ):
        response = await agent.post("/subscribe", content=b"nothing", headers=[*headers.items()])
        assert (response.status_code, response.json()) == (200, {"status": "SUCCESS"})


CONSTRAINT = (
    "ALTER TABLE effects ADD CONSTRAINT trap CHECK (key <> 'trap') NOT VALID",
    "ALTER TABLE effects DROP CONSTRAINT trap",
)
TRIGGER = (
    """
    CREATE FUNCTION trap() RETURNS trigger AS 'BEGIN RAISE EXCEPTION ''trap''; END' LANGUAGE plpgsql;
    CREATE TRIGGER trap BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION trap()
    """,
    "DROP FUNCTION trap CASCADE",
)


@pytest.mark.parametrize("trap", [CONSTRAINT, TRIGGER], ids=["constraint", "trigger"])
async def test_an_event_whose_handling_raises_is_dead_lettered_after_three_attempts(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, trap: tuple[str, str]
) -> None:
    event = cloud_event({"message": "m", "metadata": {"key": "trap"}})
    await sql.execute(trap[0])
    try:
        replies: list[object] = []
        for _ in range(3):
            replies.append(await deliver(agent, event))
            seen = (await agent.get(f"/events/{event['id']}")).json()
            replies.append((seen["status"], seen["attempts"]))
    finally:
        await sql.execute(trap[1])
    assert replies == ["RETRY", ("failing", 1), "RETRY", ("failing", 2), "SUCCESS", ("dead-lettered", 3)]
    (letter,) = sidecar.published
    assert letter["data"]["attempts"] == 3
    assert "trap" in letter["data"]["reason"]
    assert await effects_of(sql, event) == 0


async def test_a_database_that_refuses_the_agent_is_a_dependency_that_is_away(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m"})
    await sql.execute("ALTER TABLE effects RENAME COLUMN amount TO was_amount")
    try:
        replies = [await deliver(agent, event) for _ in range(5)]
    finally:
        await sql.execute("ALTER TABLE effects RENAME COLUMN was_amount TO amount")
    assert replies == ["RETRY"] * 5
    assert not sidecar.published
    await until_ready(agent)
    assert await deliver(agent, event) == "SUCCESS"


async def test_an_event_that_fails_once_is_applied_by_the_next_attempt(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m", "metadata": {"key": "trap"}})
    await sql.execute(CONSTRAINT[0])
    first = await deliver(agent, event)
    await sql.execute(CONSTRAINT[1])
    assert [first, await deliver(agent, event)] == ["RETRY", "SUCCESS"]
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "applied"


async def test_a_dead_letter_that_cannot_be_published_is_tried_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    event = cloud_event({})
    sidecar.broken["publish"] = 500
    assert await deliver(agent, event) == "RETRY"
    assert not sidecar.published
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "failing"

    sidecar.broken.clear()
    assert await deliver(agent, event) == "SUCCESS"
    assert len(sidecar.published) == 1


@pytest.mark.brief
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_without_the_database_events_are_retried_and_applied_later(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, postgres: PostgresServer, how: str
) -> None:
    events = [cloud_event({"message": "m"}), cloud_event({})]
    postgres.take_away(how)
    replies = await asyncio.gather(*(deliver(agent, event) for event in events * 20))
    await until_failing(agent, "database")
    postgres.restore()
    await until_ready(agent)

    assert replies == ["RETRY"] * 40
    assert not sidecar.published, "an event was dead-lettered although only the database was away"
    assert [await deliver(agent, event) for event in events] == ["SUCCESS", "SUCCESS"]


@pytest.mark.parametrize("route", ["/subscribe", "/dead-letters"])
async def test_a_database_that_was_away_is_left_to_the_check(
    settings: Settings, postgres: PostgresServer, route: str
) -> None:
    async with running(create_app(settings.model_copy(update={"backend_retry_seconds": 3}))) as client:
        await until_ready(client)
        postgres.stop()
        await until_failing(client, "database")
        postgres.restore()
        event = cloud_event({"message": "m"})
        assert await deliver(client, event, route=route) == "RETRY"
        await until_ready(client)
        assert await deliver(client, event, route=route) == "SUCCESS"


async def test_tables_are_made_when_the_database_comes_after_the_agent(
    settings: Settings, postgres: PostgresServer, sql: asyncpg.Connection
) -> None:
    await sql.execute("DROP TABLE IF EXISTS processed_events, effects, totals, failed_events, outbox, dead_letters")
    postgres.stop()
    async with running(create_app(settings)) as client:
        await until_failing(client, "database")
        event = cloud_event({"message": "m"})
        assert await deliver(client, event) == "RETRY"

        postgres.restore()
        await until_ready(client)

        assert await deliver(client, event) == "SUCCESS"
        assert (await client.get(f"/events/{event['id']}")).json()["status"] == "applied"


async def test_a_body_beyond_any_record_is_dead_lettered_by_its_position(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    offset = abs(hash(uuid4())) % 10**9
    body = b"x" * (4 * 1024 * 1024 + 1)
    assert [await deliver(agent, body, 1, offset, __key="k") for _ in range(2)] == ["SUCCESS"] * 2
    (letter,) = [one["data"] for one in sidecar.published]
    assert (letter["id"], letter["partition"], letter["offset"]) == (f"position:1:{offset}", 1, offset)
    assert letter["size"] == len(as_delivered(body))
    assert "larger than any" in letter["reason"]
    assert letter["original_base64"] is None
    assert (await agent.get(f"/events/position:1:{offset}")).json()["status"] == "dead-lettered"


@pytest.mark.parametrize("content_type", ["", "text/plain", "multipart/form-data", "application/json; charset=x"])
async def test_the_content_type_does_not_matter(agent: httpx.AsyncClient, content_type: str) -> None:
    event = cloud_event({"message": "m"})
    headers = {"content-type": content_type}
    response = await agent.post("/subscribe", content=json.dumps(event).encode(), headers=headers)
    assert (response.status_code, response.json()) == (200, {"status": "SUCCESS"})
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "applied"


async def test_every_delivery_is_logged_once_with_id_and_key(
    agent: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.consume.handler")
    good, bad = cloud_event(GOOD, source="another"), cloud_event({})
    await deliver(agent, good)
    await deliver(agent, bad)
    lines = [vars(record) for record in caplog.records if record.message.startswith("Received event")]
    assert [(line["id"], line["source"], line["key"], line["status"]) for line in lines] == [
        (good["id"], "another", "k", "SUCCESS"),
        (bad["id"], bad["source"], "", "SUCCESS"),
    ]


async def test_both_topics_are_subscribed_to_as_raw_records(agent: httpx.AsyncClient) -> None:
    assert (await agent.get("/dapr/subscribe")).json() == [
        {
            "pubsubname": "kafka-pubsub",
            "topic": "agent-events",
            "route": "/subscribe",
            "metadata": {"rawPayload": "true"},
        },
        {
            "pubsubname": "kafka-pubsub",
            "topic": "agent-events-dead-letters",
            "route": "/dead-letters",
            "metadata": {"rawPayload": "true"},
        },
    ]


async def test_an_event_that_comes_without_an_envelope_of_daprd_is_applied(agent: httpx.AsyncClient) -> None:
    event = cloud_event(GOOD)
    response = await agent.post("/subscribe", json=event)
    assert response.json() == {"status": "SUCCESS"}
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "applied"


async def test_what_comes_without_an_envelope_of_daprd_is_not_taken_for_one(agent: httpx.AsyncClient) -> None:
    event = cloud_event(None, data_base64=base64.b64encode(json.dumps(GOOD).encode()).decode())
    assert (await agent.post("/subscribe", json=event)).json() == {"status": "SUCCESS"}
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "applied"


async def test_a_record_that_looks_like_an_envelope_of_daprd_is_not_unwrapped_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    event = cloud_event(GOOD)
    record = as_delivered(json.dumps(event).encode())
    assert await deliver(agent, record, partition=4, offset=44) == "SUCCESS"
    (letter,) = sidecar.published
    assert "data" in letter["data"]["reason"]
    assert base64.b64decode(letter["data"]["original_base64"]) == record
    assert (await agent.get(f"/events/{event['id']}")).status_code == 404


@pytest.mark.parametrize("base64_text", [7, None, "not base64", "ü", ["bm8="]])
async def test_an_envelope_that_holds_no_base64_is_taken_as_it_is(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, base64_text: object
) -> None:
    event = cloud_event(None) | {"data_base64": base64_text}
    assert (await agent.post("/subscribe", json=event)).json() == {"status": "SUCCESS"}
    assert sidecar.published[0]["data"]["id"] == event["id"]


@pytest.mark.parametrize("traceparent", [1, None, "", "nonsense", {"a": []}])
async def test_a_trace_that_cannot_be_read_keeps_no_event_from_being_applied(
    agent: httpx.AsyncClient, traceparent: object
) -> None:
    event = cloud_event(GOOD) | {"traceparent": traceparent}
    assert await deliver(agent, event) == "SUCCESS"
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "applied"


@pytest.mark.parametrize("data", [GOOD, None], ids=["applied", "dead-lettered"])
async def test_the_trace_of_an_event_is_in_the_log_and_in_its_dead_letter(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, caplog: pytest.LogCaptureFixture, data: object
) -> None:
    caplog.set_level(logging.INFO, "app.consume.handler")
    trace = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "vendor=1"}
    await deliver(agent, cloud_event(data, **trace))
    (line,) = [vars(record) for record in caplog.records if record.message.startswith("Received event")]
    told = [line, *sidecar.published]
    assert [{name: one[name] for name in trace} for one in told] == [trace] * (1 if data else 2)
