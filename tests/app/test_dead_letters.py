"""What becomes of events that were given up: recorded, listed, sent again."""

import asyncio
import json
import os
import sys
from hashlib import sha256
from secrets import token_hex
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from tests.app.client import APP_TOKEN, cloud_event, deliver
from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_subscribe import BROKEN, CONSTRAINT

pytestmark = pytest.mark.anyio


async def hand_over(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> list[str]:
    """Deliver what is in the dead letter topic."""
    letters = [record for topic, record in sidecar.records if topic == "agent-events-dead-letters"]
    return [
        await deliver(agent, record, 0, offset, route="/dead-letters") for offset, record in enumerate(letters, start=1)
    ]


async def recorded(sql: asyncpg.Connection) -> list[dict[str, Any]]:
    return [dict(row) for row in await sql.fetch("SELECT * FROM dead_letters ORDER BY recorded_at")]


async def command(settings: Settings, *arguments: str) -> tuple[int | None, str, str]:
    environment = {
        "PATH": os.environ["PATH"],
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(settings.postgres_port),
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_DATABASE": "postgres",
        "KAFKA_BROKERS": settings.kafka_brokers,
        "DAPR_HTTP_PORT": str(settings.dapr_http_port),
        "APP_API_TOKEN": APP_TOKEN,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", *arguments, env=environment, stdout=-1, stderr=-1
    )
    stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()


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
    json.dumps(cloud_event(data, type="fastapi-dapr-agent.dead-letter")).encode() for data in (*BAD_LETTERS, None, 7)
]


@pytest.mark.parametrize("body", BODIES, ids=[f"{body!r:.60}" for body in BODIES])
async def test_every_record_of_the_dead_letter_topic_is_recorded(
    agent: httpx.AsyncClient, sql: asyncpg.Connection, body: bytes
) -> None:
    assert await deliver(agent, body, 0, 7, route="/dead-letters") == "SUCCESS"
    assert [letter["original"] for letter in await recorded(sql)] == [body]
    response = await agent.post("/dead-letters", content=body)
    assert (response.status_code, response.json()) == (200, {"status": "SUCCESS"})


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


async def test_a_dead_letter_that_is_replayed_gets_all_its_attempts_and_takes_effect_once(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m", "metadata": {"key": "trap"}})
    record = json.dumps(event).encode()
    await sql.execute(CONSTRAINT[0])
    try:
        assert [await deliver(agent, record, __key="a%2Fb+c") for _ in range(3)] == ["RETRY", "RETRY", "SUCCESS"]
        await hand_over(agent, sidecar)

        code, stdout, stderr = await command(settings, "replay", event["id"])

        assert (code, stderr) == (0, "")
        assert stdout == f"replayed {event['id']}: {len(record)} bytes to agent-events\n"
        sent = sidecar.published[-1]
        assert sidecar.records[-1] == ("agent-events", record)
        assert sent["query"] == {"metadata.partitionKey": "a/b c"}
        assert await deliver(agent, record, offset=18) == "RETRY", "expected all attempts again"
    finally:
        await sql.execute(CONSTRAINT[1])
    assert [await deliver(agent, record, offset=18) for _ in range(2)] == ["SUCCESS"] * 2
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "applied"
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event["id"]) == 1
    assert [letter["replayed_at"] is not None for letter in await recorded(sql)] == [True]


@pytest.mark.usefixtures("agent")
async def test_a_dead_letter_that_does_not_exist_is_not_replayed(settings: Settings, sidecar: StandInSidecar) -> None:
    assert await command(settings, "replay", "nobody") == (1, "", "error: there is no dead letter nobody\n")
    assert not sidecar.published


async def test_a_replay_that_cannot_be_sent_says_so(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    await deliver(agent, cloud_event({}, id=event_id), route="/dead-letters")
    sidecar.broken["publish"] = 500
    code, stdout, stderr = await command(settings, "replay", event_id)
    assert (code, stdout) == (1, "")
    assert stderr.startswith("error: pubsub is unavailable: the sidecar answered 500")
    assert [letter["replayed_at"] for letter in await recorded(sql)] == [None]


async def test_dead_letters_are_listed_as_a_table(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar
) -> None:
    await deliver(agent, b"not json", 6, 66)
    await hand_over(agent, sidecar)
    code, stdout, stderr = await command(settings, "dead-letters")
    heading, line = stdout.splitlines()
    assert (code, stderr) == (0, "")
    assert heading.split() == [
        "ID",
        "PARTITION:OFFSET",
        "ATTEMPTS",
        "REASON",
        "RECORDED",
        "REPLAYED",
        "SOURCE",
        "COMPLETE",
    ]
    assert line.split()[:4] == ["position:6:66", "6:66", "1", "the"]
    assert line.split()[-3:] == ["-", "-", "yes"]


async def test_a_list_without_the_database_says_so(settings: Settings, postgres: PostgresServer) -> None:
    postgres.stop()
    code, stdout, stderr = await command(settings, "dead-letters")
    assert (code, stdout) == (1, "")
    assert stderr.startswith("error: database is unavailable: ")


@pytest.mark.parametrize(
    "sizes",
    [(1_300_000, 2_000_000, 1_300_000), (1_800_000, 2_000_000, 65_536), (800_000, 1_048_588, 65_536)],
    ids=["as large as it may be", "larger than a dead letter", "larger than a foreign topic takes"],
)
async def test_a_dead_letter_fits_whatever_its_original(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection, sizes: tuple[int, int, int]
) -> None:
    size, largest, kept = sizes
    record = token_hex(size // 2).encode()
    sidecar.largest = largest
    assert [await deliver(agent, record, 5, size) for _ in range(2)] == ["SUCCESS"] * 2
    attempts = [request for request in sidecar.requests if "publish" in request]
    assert len(attempts) == 1 + (largest < 2_000_000), "what is known not to fit was sent all the same"
    assert await hand_over(agent, sidecar) == ["SUCCESS"]
    (letter,) = await recorded(sql)
    assert letter["position"] == f"agent-events/5:{size}/sha256:{sha256(record).hexdigest()}"
    assert (letter["original"], letter["size"]) == (record[:kept], None if kept == size else size)


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


async def test_a_dead_letter_whose_original_is_incomplete_is_listed_as_such_and_not_replayed(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar
) -> None:
    event = cloud_event({"message": 7, "much": "x" * 1_800_000})
    await deliver(agent, event, 5, 55)
    await hand_over(agent, sidecar)
    _, stdout, _ = await command(settings, "dead-letters")
    assert stdout.splitlines()[1].split()[-4:] == [event["source"], "65536", "of", str(len(json.dumps(event)))]
    sent = len(sidecar.published)
    code, stdout, stderr = await command(settings, "replay", event["id"])
    assert (code, stdout) == (1, "")
    assert stderr == (
        f"error: only the beginning of {event['id']} was kept, of {len(json.dumps(event))} bytes: "
        "the whole is at agent-events/5:55\n"
    )
    assert len(sidecar.published) == sent
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "dead-lettered"


async def test_a_replay_gives_no_attempts_to_another_sources_event(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar
) -> None:
    ours = cloud_event({"message": 7})
    theirs = ours | {"source": "another"}
    for event in (ours, theirs):
        await deliver(agent, event)
    await deliver(agent, sidecar.records[0][1], 0, 1, route="/dead-letters")
    assert (await command(settings, "replay", ours["id"]))[0] == 0
    sent = len(sidecar.published)
    assert [await deliver(agent, event) for event in (theirs, ours)] == ["SUCCESS"] * 2
    assert [letter["data"]["source"] for letter in sidecar.published[sent:]] == [ours["source"]]


async def test_what_a_producer_wrote_does_not_command_the_terminal(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    await deliver(agent, b"x", 6, 66)
    await hand_over(agent, sidecar)
    await sql.execute("UPDATE dead_letters SET id = U&'\\009b2J\\202e'")
    _, stdout, _ = await command(settings, "dead-letters")
    assert stdout.splitlines()[1].startswith("?2J? ")
