"""What becomes of events that were given up: sent to their topic, and recorded."""

import json
from hashlib import sha256
from secrets import token_hex
from urllib.parse import quote
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from tests.app.broker import StandInBroker
from tests.app.client import cloud_event, deliver, until_failing
from tests.app.letters import command, hand_over, recorded
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_subscribe import BROKEN

pytestmark = pytest.mark.anyio


async def test_what_the_handler_gave_up_is_recorded_with_reason_attempts_and_original(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": 7})
    record = json.dumps(event).encode()
    await deliver(agent, record, 5, 55, __key="a%0Ab")

    assert await hand_over(agent, sidecar) + await hand_over(agent, sidecar) == ["SUCCESS"] * 2

    (letter,) = await recorded(sql)
    assert letter.pop("recorded_at")
    assert "message" in letter.pop("reason")
    assert letter == {
        "position": f"agent-events/5:55/sha256:{sha256(record).hexdigest()}",
        "partition": 5,
        "offset": 55,
        "id": event["id"],
        "source": event["source"],
        "attempts": 1,
        "key": "a%0Ab",
        "original": record,
        "size": None,
        "replayed_at": None,
    }


async def test_a_record_key_of_any_length_keeps_no_event_from_its_dead_letter(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    assert await deliver(agent, b"x", __key="%0A" * 1_000_000) == "SUCCESS"
    assert len(sidecar.records[0][1]) < 1000


async def test_what_the_sidecar_refused_is_recorded_with_its_bytes_and_position(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m"})
    record = json.dumps(event).encode()
    # daprd hands the original's metadata on as headers of the dead letter
    status = await deliver(agent, record, 2, 22, route="/dead-letters", __topic="agent-events", __key="k")
    assert status == "SUCCESS"
    (letter,) = await recorded(sql)
    assert (letter["id"], letter["reason"], letter["attempts"]) == (event["id"], "refused by the sidecar", 0)
    assert (letter["original"], letter["key"]) == (record, "k")
    assert letter["position"].startswith("agent-events/2:22/")


async def test_a_letter_at_an_offset_that_was_used_before_is_recorded_too(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    records = [json.dumps(cloud_event({"message": "m"})).encode() for _ in range(2)]
    for record in records * 2:
        assert await deliver(agent, record, 2, 22, route="/dead-letters") == "SUCCESS"
    assert [letter["original"] for letter in await recorded(sql)] == records


async def test_a_topic_of_any_length_keeps_no_letter_from_being_recorded(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    assert await deliver(agent, b"x", route="/dead-letters", __topic=LONG) == "SUCCESS"
    assert len(await recorded(sql)) == 1


LONG = token_hex(4000)
"""More than a row of an index holds, compressed too."""
BY_REFERENCE = {"size": 9, "sha256": "a" * 64, "original_base64": None}
LETTER = {"id": "x", "reason": "r", "attempts": 1, "partition": 1, "offset": 1, "original_base64": "eA=="}
BAD_LETTERS = [
    LETTER | change
    for change in (
        {"id": None},
        {"id": LONG},
        {"topic": LONG},
        {"reason": "a\0b"},
        {"attempts": 2**31},
        {"partition": -1},
        {"offset": 2**63},
        {"original_base64": "?"},
        {"original_base64": None},
        {"size": 1},
        BY_REFERENCE | {"size": -1},
        BY_REFERENCE | {"sha256": "x"},
        BY_REFERENCE | {"beginning_base64": "?"},
    )
]
BODIES = [case[1] for case in BROKEN] + [
    json.dumps(cloud_event(data, id=f"{number}", type="fastapi-dapr-agent.dead-letter")).encode()
    for number, data in enumerate((*BAD_LETTERS, None, 7))
]


@pytest.mark.parametrize("body", BODIES, ids=[f"{body!r:.60}" for body in BODIES])
async def test_every_record_of_the_dead_letter_topic_is_recorded(
    agent: httpx.AsyncClient, sql: asyncpg.Connection, body: bytes
) -> None:
    assert await deliver(agent, body, 0, 7, route="/dead-letters") == "SUCCESS"
    assert [letter["original"] for letter in await recorded(sql)] == [body]
    response = await agent.post("/dead-letters", content=body)
    assert (response.status_code, response.json()) == (200, {"status": "SUCCESS"})


@pytest.mark.brief
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_without_the_database_a_dead_letter_is_delivered_again(
    agent: httpx.AsyncClient, postgres: PostgresServer, how: str
) -> None:
    postgres.take_away(how)
    reply = await deliver(agent, b"x", route="/dead-letters")
    postgres.restore()
    assert reply == "RETRY"


async def test_a_body_beyond_any_dead_letter_is_recorded_by_its_position(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    assert await deliver(agent, b"x" * 2 * 1024 * 1024, 0, 1, route="/dead-letters") == "SUCCESS"
    assert await deliver(agent, b"x" * 4 * 1024 * 1024, 0, 2, route="/dead-letters") == "SUCCESS"
    (_, letter) = await recorded(sql)
    assert (letter["id"], letter["partition"], letter["offset"]) == ("position:0:2", 0, 2)
    assert (letter["original"], letter["size"] > 4 * 1024 * 1024) == (b"", True)


@pytest.mark.parametrize(
    "sizes",
    [
        (1_300_000, 2_000_000, 1_300_000, 1),
        (1_800_000, 2_000_000, 65_536, 1),
        (800_000, 1_048_588, 65_536, 2),
        (80_000, 10_000, 0, 3),
        (20_000, 10_000, 0, 3),
    ],
    ids=[
        "as large as it may be",
        "larger than a dead letter",
        "larger than a foreign topic takes",
        "a topic that takes no beginning",
        "a topic that takes little",
    ],
)
async def test_a_dead_letter_fits_whatever_its_original(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, sizes: tuple[int, int, int, int]
) -> None:
    size, largest, kept, tries = sizes
    record = token_hex(size // 2).encode()
    sidecar.largest = largest
    assert [await deliver(agent, record, 5, size) for _ in range(2)] == ["SUCCESS"] * 2
    attempts = [request for request in sidecar.requests if "publish" in request]
    assert len(attempts) == tries, "what is known not to fit was sent all the same"
    (whole,) = await recorded(sql)
    assert await hand_over(agent, sidecar) == ["SUCCESS"]
    assert await recorded(sql) == [whole], "one event has two letters"
    assert whole["position"] == f"agent-events/5:{size}/sha256:{sha256(record).hexdigest()}"
    assert (whole["original"], whole["size"]) == (record, None)

    await sql.execute("DELETE FROM dead_letters")
    await hand_over(agent, sidecar)
    (sent,) = await recorded(sql)
    assert (sent["original"], sent["size"]) == (record[:kept], None if kept == size else size)


async def test_a_dead_letter_fits_a_topic_that_takes_little_whatever_its_names(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    sidecar.largest = 10_000
    names = {"id": f"{uuid4()}".ljust(256, "\N{GRINNING FACE}"), "source": "\N{GRINNING FACE}" * 1024}
    first, second = (cloud_event({"message": message}, **names) for message in "ab")
    key = quote("\n" * 1365)
    assert [await deliver(agent, one, __key=key) for one in (first, second)] == ["SUCCESS"] * 2
    (letter,) = sidecar.published
    assert (letter["data"]["id"], letter["data"]["source"], letter["data"]["record_key"]) == (*names.values(), "")
    assert letter["data"]["reason"].startswith("key reused")


async def test_a_dead_letter_that_cannot_be_recorded_is_not_sent_once_for_each_attempt(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await sql.execute("ALTER TABLE dead_letters ADD CONSTRAINT trap CHECK (position = '')")
    event = cloud_event({"message": 7})
    assert [await deliver(agent, event) for _ in range(3)] == ["RETRY"] * 3
    assert not sidecar.published
    await sql.execute("ALTER TABLE dead_letters DROP CONSTRAINT trap")
    assert [await deliver(agent, event) for _ in range(2)] == ["SUCCESS"] * 2
    assert len(sidecar.published) == len(await recorded(sql)) == 1


async def test_a_record_that_kafka_could_not_read_is_not_taken_for_too_large(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    sidecar.largest = 0
    sidecar.told_of_size = "kafka: error decoding packet: message of length 1213486160 too large or too small"
    assert await deliver(agent, b"not JSON") == "RETRY"
    assert sum("publish" in request for request in sidecar.requests) == 1


@pytest.mark.parametrize("size", [1_800_000, 800_000, 8])
async def test_a_dead_letter_that_kafka_refuses_whatever_its_size_is_tried_again(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, size: int
) -> None:
    sidecar.largest = 0
    record = token_hex(size // 2).encode()
    assert [await deliver(agent, record, 5, size) for _ in range(2)] == ["RETRY"] * 2
    sidecar.largest = 2_000_000
    assert await deliver(agent, record, 5, size) == "SUCCESS"
    assert "original_base64" in sidecar.published[0]["data"] or size == 1_800_000


async def test_a_refusal_that_may_pass_cuts_no_dead_letter(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    record = json.dumps(event := cloud_event({"message": 7, "much": "x" * 1_200_000})).encode()
    sidecar.refused = {event["id"]}
    assert await deliver(agent, record) == "RETRY"
    assert sum("publish" in request for request in sidecar.requests) == 1
    sidecar.refused.clear()
    assert await deliver(agent, record) == "SUCCESS"
    assert sidecar.published[0]["data"]["size"] is None


async def test_a_dead_letter_does_not_wait_for_the_agents_own_way_to_kafka(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, broker: StandInBroker
) -> None:
    await broker.stop()
    await until_failing(agent, "pubsub")
    assert await deliver(agent, cloud_event({"message": 7})) == "SUCCESS"
    assert len(sidecar.published) == 1


async def test_a_dead_letter_whose_topic_is_lost_is_on_record(
    agent: httpx.AsyncClient, settings: Settings, sql: asyncpg.Connection
) -> None:
    record = json.dumps(event := cloud_event({"message": 7})).encode()
    assert await deliver(agent, record) == "SUCCESS"
    assert [letter["original"] for letter in await recorded(sql)] == [record]
    code, _, stderr = await command(settings, "replay", event["id"])
    assert (code, stderr) == (0, "")
