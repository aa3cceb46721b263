"""One command passes over a record that the sidecar cannot take."""

import json
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.commands.arguments import read_listing, read_replay
from app.commands.listing import list_dead_letters
from app.commands.replay import replay
from app.commands.skip import skip
from app.config import Settings
from app.consume.effects import MAX_REASON
from app.errors import ServiceError
from app.kafka.batches import CONTROL
from app.kafka.group import SIDECAR_BYTES, Group, Partition
from app.kafka.records import MAX_UNPACKED_BYTES
from app.server.limits import LIMITS_BYTES
from tests.app.batches import batch, checked, counted, packed, spanning
from tests.app.broker import StandInBroker
from tests.app.client import cloud_event

# the agent makes the tables
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("agent")]

PARTITION = Partition("agent-events", 3)


@pytest.fixture
def waiting(broker: StandInBroker) -> StandInBroker:
    """A broker whose group waits in a partition at offset 40, where records go on until 57."""
    broker.committed[PARTITION], broker.ends[PARTITION] = 40, 57
    return broker


async def test_the_group_goes_on_behind_the_record_which_is_on_record(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    told = await skip(settings, "agent-events/3", "40")
    assert "agent-events/3 goes on at offset 41" in told
    assert waiting.committed[PARTITION] == 41
    assert not waiting.joined, "expected it to leave the group, whose members then ask for the offset"
    (letter,) = await sql.fetch('SELECT id, reason, attempts, size FROM dead_letters WHERE "offset" = 40')
    assert letter["id"] == "position:3:40"
    assert "passed over by hand" in letter["reason"]
    listed = await list_dead_letters(settings, read_listing(["--partition", "agent-events/3", "--offset", "40"]))
    assert "position:3:40" in listed
    with pytest.raises(ServiceError, match="only the beginning"):
        await replay(settings, read_replay(["position:3:40"]), print)


@pytest.mark.parametrize(
    ("partition", "offset", "told"),
    [
        ("agent-events/3", "39", "agent-events/3 goes on at offset 40 of 57, not at 39"),
        ("agent-events/3", "41", "agent-events/3 goes on at offset 40 of 57, not at 41"),
        ("agent-events/4", "0", "agent-events/4 goes on at offset 0 of 0"),
        ("agent-events/99", "0", "there is no agent-events/99"),
        ("3", "0", "partition: expected one of agent-events, agent-events-dead-letters, /, and a number, got '3'"),
        ("agent-events/three", "0", "got 'agent-events/three'"),
        ("orders/3", "0", "got 'orders/3'"),
        ("agent-events/3", "-1", "offset: expected a number, got '-1'"),
    ],
)
async def test_nothing_is_passed_over_where_nothing_waits(
    waiting: StandInBroker, settings: Settings, partition: str, offset: str, told: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        await skip(settings, partition, offset)
    assert told in refused.value.detail
    assert waiting.committed[PARTITION] == 40


BOMB = [b"x" * (MAX_UNPACKED_BYTES + 1), b"beside it"]


def event(event_id: str, message: str = "m") -> bytes:
    """A record that can be applied."""
    return json.dumps(cloud_event({"message": message, "metadata": {"key": "k"}}, id=event_id)).encode()


async def letters(sql: asyncpg.Connection) -> list[tuple[int, str, bytes]]:
    """Offset, reason and original of every dead letter."""
    rows = await sql.fetch('SELECT "offset", reason, original FROM dead_letters ORDER BY "offset"')
    return [(row["offset"], row["reason"].partition(":")[0], row["original"]) for row in rows]


@pytest.mark.parametrize("codec", [1, 3, 4])
async def test_what_was_fetched_with_the_batch_that_no_sidecar_takes_is_handled_in_its_place(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection, agent: httpx.AsyncClient, codec: int
) -> None:
    ids = [uuid4().hex for _ in range(4)]
    first, second, third, fourth = map(event, ids)
    front = packed(38, [b"taken before", b"taken before", first, b"no event"], codec)
    waiting.logs[PARTITION] = (
        front
        + packed(42, [second, third], 2)
        + packed(44, [fourth])
        + packed(45, BOMB, codec)
        + packed(47, [b"behind"])
    )
    for _ in range(2):  # also where an earlier attempt got no further than the records
        waiting.committed[PARTITION] = 40
        told = await skip(settings, "agent-events/3", "40")
        assert "goes on at offset 47: 5 records were handled in the sidecar's place, `make dead-letters` lists" in told
        assert waiting.committed[PARTITION] == 47
    rows = await sql.fetch("SELECT event_id FROM effects WHERE event_id = ANY($1) ORDER BY number", ids)
    assert [row["event_id"] for row in rows] == ids, "each once, in their order"
    assert await letters(sql) == [
        (41, "the body is not JSON", b"no event"),
        (45, "passed over by hand up to offset 46", b""),
    ]
    assert (await agent.get("/events/position:3:41")).json()["status"] == "dead-lettered"


async def test_where_everything_can_be_read_nothing_is_passed_over(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    waiting.logs[PARTITION] = packed(38, [b"taken before", b"taken before", event(event_id)]) + packed(
        41, [b"no event"]
    )
    told = await skip(settings, "agent-events/3", "40")
    assert "goes on at offset 42: 2 records were handled in the sidecar's place, nothing was passed over" in told
    assert waiting.committed[PARTITION] == 42
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event_id) == 1


def _changed(log: bytes) -> bytes:
    return log[:-10] + bytes([log[-10] ^ 1]) + log[-9:]


def _of_old_times(log: bytes) -> bytes:
    return log[:16] + b"\x01" + log[17:]


@pytest.mark.parametrize(
    "broken",
    [
        _changed(packed(41, [b"x" * 100])),
        _of_old_times(packed(41, [b"x" * 100])),
        batch(41, [b"x" * 100], 1),
        batch(41, [b"x" * 100], 2),
        batch(41, [b"x" * 100], 6),
        counted(packed(41, [b"x" * 100]), 2),
    ],
    ids=["changed", "of old times", "no gzip", "no snappy", "no codec", "more records than there are"],
)
async def test_a_batch_that_cannot_be_read_is_passed_over(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection, broken: bytes
) -> None:
    waiting.logs[PARTITION] = packed(40, [b"no event"]) + broken + packed(42, [b"behind it"])
    assert "goes on at offset 42: 1 records" in await skip(settings, "agent-events/3", "40")
    assert [offset for offset, *_ in await letters(sql)] == [40, 41]


async def test_a_record_whose_headers_are_no_text_is_read(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    event_id = uuid4().hex
    log = packed(40, [event(event_id)], headers=[("Schl?ssel", b"\xff"), ("empty", None)])
    place = log.index(b"Schl?ssel") + 4
    waiting.logs[PARTITION] = checked(log[:place] + b"\xfc" + log[place + 1 :]) + packed(41, BOMB, 1)
    assert "goes on at offset 43: 1 records" in await skip(settings, "agent-events/3", "40")
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event_id) == 1


async def test_a_batch_behind_what_the_sidecar_fetches_at_once_is_none_of_its_affairs(
    waiting: StandInBroker, settings: Settings
) -> None:
    waiting.logs[PARTITION] = packed(40, [b"x" * 400_000]) + packed(41, [b"x" * 600_000]) + packed(42, [b"x" * 60_000])
    assert "goes on at offset 42: 2 records" in await skip(settings, "agent-events/3", "40")


async def test_the_bad_batch_is_found_wherever_it_is_in_what_the_sidecar_fetches(
    waiting: StandInBroker, settings: Settings
) -> None:
    waiting.logs[PARTITION] = packed(40, [b"x" * 900_000]) + packed(41, BOMB, 1)
    assert "goes on at offset 43: 1 records" in await skip(settings, "agent-events/3", "40")


async def test_a_large_batch_behind_the_mark_of_a_transaction_is_read_whole(
    waiting: StandInBroker, settings: Settings
) -> None:
    marker = batch(40, [b"commit"], CONTROL)
    waiting.logs[PARTITION] = marker + packed(41, [b"x" * SIDECAR_BYTES]) + packed(42, [b"behind it"])
    told = await skip(settings, "agent-events/3", "40")
    assert "goes on at offset 42: 1 records were handled in the sidecar's place, nothing was passed over" in told


async def test_a_dead_letter_in_front_is_recorded(
    broker: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    place = Partition("agent-events-dead-letters", 0)
    broker.committed[place], broker.ends[place] = 5, 9
    broker.logs[place] = packed(5, [b"a letter of somebody else"]) + packed(6, BOMB, 1)
    assert f"{place} goes on at offset 8" in await skip(settings, str(place), "5")
    assert [letter[:2] for letter in await letters(sql)] == [
        (5, "refused by the sidecar"),
        (6, "passed over by hand up to offset 7"),
    ]


async def test_why_a_record_was_given_up_is_told_as_the_handler_tells_it(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    waiting.logs[PARTITION] = packed(40, [event(uuid4().hex, "raises")])
    await sql.execute(
        "CREATE FUNCTION complain() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%', repeat('x', 3000); END $$;"
        "CREATE TRIGGER complaining BEFORE INSERT ON effects FOR EACH ROW EXECUTE FUNCTION complain()"
    )
    try:
        await skip(settings.model_copy(update={"max_event_attempts": 1}), "agent-events/3", "40")
    finally:
        await sql.execute("DROP TRIGGER complaining ON effects; DROP FUNCTION complain")
    ((_, reason, _),) = await letters(sql)
    assert len(reason) == MAX_REASON


async def test_a_record_whose_handling_raises_is_given_up_after_its_last_attempt(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    waiting.logs[PARTITION] = packed(40, [event(uuid4().hex, "raises")]) + packed(41, BOMB, 1)
    await sql.execute("ALTER TABLE processed_events ADD CONSTRAINT narrow CHECK (message <> 'raises') NOT VALID")
    try:
        for attempt in range(1, settings.max_event_attempts):
            with pytest.raises(ServiceError, match=f"attempt {attempt} of 3 .* offset 40 .*: nothing was passed over"):
                await skip(settings, "agent-events/3", "40")
            assert waiting.committed[PARTITION] == 40
        await skip(settings, "agent-events/3", "40")
    finally:
        await sql.execute("ALTER TABLE processed_events DROP CONSTRAINT narrow")
    assert waiting.committed[PARTITION] == 43
    assert [offset for offset, *_ in await letters(sql)] == [40, 41]


async def test_a_record_that_the_agent_would_not_read_is_given_up_as_the_agent_gives_it_up(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    waiting.logs[PARTITION] = packed(40, [b"x" * LIMITS_BYTES["/subscribe"]], 1)
    await skip(settings, "agent-events/3", "40")
    assert (await letters(sql))[0][1] == "the body is larger than any that is read"


async def test_a_dead_letter_can_be_passed_over_too(
    broker: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    place = Partition("agent-events-dead-letters", 0)
    broker.committed[place], broker.ends[place] = 5, 7
    assert f"{place} goes on at offset 6" in await skip(settings, str(place), "5")
    position = await sql.fetchval("SELECT position FROM dead_letters")
    assert position.startswith("agent-events-dead-letters/0:5/")


async def test_in_a_topic_that_was_made_anew_nothing_is_passed_over_before_it_is_known_where_the_group_waits(
    waiting: StandInBroker, settings: Settings
) -> None:
    waiting.committed[PARTITION], waiting.starts[PARTITION], waiting.ends[PARTITION] = 400, 3, 57
    with pytest.raises(ServiceError, match="made anew, so the group was sent to its start, 3: nothing was passed over"):
        await skip(settings, "agent-events/3", "12")
    assert waiting.committed[PARTITION] == 3
    await skip(settings, "agent-events/3", "3")
    assert waiting.committed[PARTITION] == 4


async def test_a_marker_of_a_transaction_is_not_what_a_group_waits_at(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    marker, bad = batch(40, [b"commit"], CONTROL), packed(41, BOMB, 1)
    waiting.logs[PARTITION] = marker + bad + packed(43, [b"after"])
    assert "goes on at offset 43" in await skip(settings, "agent-events/3", "40")
    assert waiting.committed[PARTITION] == 43
    assert await sql.fetchval("SELECT size FROM dead_letters") == len(bad)


async def test_a_batch_whose_waiting_records_were_compacted_away_is_done_with(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    waiting.logs[PARTITION] = spanning(packed(38, [b"taken before"]), 45)
    told = await skip(settings, "agent-events/3", "40")
    assert "goes on at offset 46: 0 records were handled in the sidecar's place, nothing was passed over" in told
    assert (waiting.committed[PARTITION], await letters(sql)) == (46, [])


async def test_nothing_is_passed_over_where_the_group_went_on_meanwhile(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting.logs[PARTITION] = packed(40, BOMB, 1)
    fetch = Group.fetch

    async def slow_fetch(group: Group, *wanted: Any) -> bytes:  # noqa: ANN401 - what fetch takes
        waiting.committed[PARTITION] = 50
        return await fetch(group, *wanted)

    monkeypatch.setattr(Group, "fetch", slow_fetch)
    with pytest.raises(ServiceError, match="goes on elsewhere meanwhile: nothing was passed over"):
        await skip(settings, "agent-events/3", "40")
    assert (waiting.committed[PARTITION], await letters(sql)) == (50, [])
