"""Dead letters sent again: which, how often, and what is known of them whenever that is cut short."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.commands.arguments import read_listing, read_replay
from app.commands.listing import list_dead_letters
from app.commands.replay import replay
from app.config import Settings
from app.errors import ServiceError
from app.main import create_app
from app.sidecar.api import TOPIC
from tests.app.client import cloud_event, deliver, running, until_ready
from tests.app.databases import new_database
from tests.app.letters import command, hand_over, recorded, started, written
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar, as_delivered
from tests.app.test_subscribe import CONSTRAINT
from tests.app.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]


async def sent_again(settings: Settings, *arguments: str) -> list[str]:
    """Lines of a replay."""
    lines: list[str] = []
    lines.append(await replay(settings, read_replay([*arguments]), lines.append))
    return lines


async def given_up(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> bytes:
    """A record that was given up, because of a constraint that is there still."""
    record = json.dumps(cloud_event({"message": "m", "metadata": {"key": "trap"}})).encode()
    await sql.execute(CONSTRAINT[0])
    assert [await deliver(agent, record) for _ in range(3)] == ["RETRY", "RETRY", "SUCCESS"]
    return record


async def shown(agent: httpx.AsyncClient, record: bytes) -> tuple[str | None, int | None]:
    """Status and attempts of a record's event."""
    body = (await agent.get(f"/events/{json.loads(record)['id']}")).json()
    return body["status"], body.get("attempts")


async def until_sent(sidecar: StandInSidecar, record: bytes) -> None:
    async def sent() -> bool:
        return (TOPIC, record) in sidecar.records

    await until("the record to be in its topic", sent, bool, 20)


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
        assert (
            stdout == f"replayed {event['id']} of {event['source']}: {len(record)} bytes to agent-events\n1 replayed\n"
        )
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


async def test_a_record_that_no_sidecar_sends_is_not_replayed_and_keeps_its_status(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar
) -> None:
    event = cloud_event({"message": 7, "much": "x" * 2_500_000})
    assert await deliver(agent, event) == "SUCCESS"
    sent = len(sidecar.records)
    code, _, stderr = await command(settings, "replay", event["id"])
    assert (code, "more than the sidecar sends" in stderr) == (1, True), stderr
    assert (await agent.get(f"/events/{event['id']}")).json()["status"] == "dead-lettered"
    assert len(sidecar.records) == sent


async def test_a_dead_letter_that_is_recorded_and_not_sent_yet_gets_all_its_attempts_by_a_replay(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": "m", "metadata": {"key": "trap"}})
    await sql.execute(CONSTRAINT[0])
    try:
        sidecar.refused = {event["id"]}
        assert [await deliver(agent, event) for _ in range(4)] == ["RETRY"] * 4
        sidecar.refused.clear()
        assert (await command(settings, "replay", event["id"]))[0] == 0
        assert await deliver(agent, event, offset=18) == "RETRY", "expected all attempts again"
    finally:
        await sql.execute(CONSTRAINT[1])
    assert await deliver(agent, event, offset=18) == "SUCCESS"
    assert not [topic for topic, _ in sidecar.records if topic == "agent-events-dead-letters"]


async def test_of_two_letters_under_one_id_the_whole_one_is_replayed(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": 7, "much": "x" * 1_800_000})
    whole = event | {"data": {"message": 8}}
    await deliver(agent, event)
    await sql.execute("DELETE FROM dead_letters")
    await hand_over(agent, sidecar)
    assert await deliver(agent, whole) == "SUCCESS"
    code, _, stderr = await command(settings, "replay", event["id"])
    assert (code, stderr) == (0, "")
    assert sidecar.records[-1] == ("agent-events", json.dumps(whole).encode())


async def test_a_dead_letter_is_found_by_its_id_as_it_came_and_as_it_is_listed(
    settings: Settings, postgres: PostgresServer
) -> None:
    event = cloud_event({"message": 7}, id="\u20ac\\1")
    async with new_database(postgres, "LATIN1") as name:
        settings = settings.model_copy(update={"postgres_database": name})
        async with running(create_app(settings)) as agent:
            await until_ready(agent)
            assert await deliver(agent, event) == "SUCCESS"
        (line,) = (await list_dead_letters(settings, read_listing([]))).splitlines()[1:-1]
        listed = line.split()[5]
        assert listed != event["id"]
        for event_id in (event["id"], listed):
            assert await replay(settings, read_replay([event_id]), print) == "1 replayed"


async def test_a_dead_letter_whose_original_is_incomplete_is_listed_as_such_and_not_replayed(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event = cloud_event({"message": 7, "much": "x" * 1_800_000})
    await deliver(agent, event, 5, 55)
    await sql.execute("DELETE FROM dead_letters")
    await hand_over(agent, sidecar)
    _, stdout, _ = await command(settings, "dead-letters")
    assert f" 65536/{len(json.dumps(event))} " in stdout.splitlines()[1]
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
    code, _, stderr = await command(settings, "replay", ours["id"])
    assert code == 1
    assert "came from several sources, SOURCE is to name one: another, fastapi-dapr-agent" in stderr
    assert (await command(settings, "replay", ours["id"], "--source=nobody"))[0] == 1
    assert (await command(settings, "replay", ours["id"], f"--source={ours['source']}"))[0] == 0
    assert json.loads(sidecar.records[-1][1])["source"] == ours["source"]
    sent = len(sidecar.published)
    assert [await deliver(agent, event) for event in (theirs, ours)] == ["SUCCESS"] * 2
    assert [letter["data"]["source"] for letter in sidecar.published[sent:]] == [ours["source"]]


@pytest.fixture
async def trap(sql: asyncpg.Connection) -> AsyncIterator[None]:
    """Take the constraint away in the end, if it is still there."""
    yield
    await sql.execute(CONSTRAINT[1].replace("CONSTRAINT", "CONSTRAINT IF EXISTS"))


@pytest.mark.usefixtures("trap")
async def test_a_replay_that_fails_forgets_nothing(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    record = await given_up(agent, sql)
    sidecar.broken["publish"] = 500
    with pytest.raises(ServiceError, match=r"pubsub is unavailable.*0 of 1 replayed, stopped at"):
        await sent_again(settings, json.loads(record)["id"])
    assert await shown(agent, record) == ("dead-lettered", 3)
    assert [letter["replayed_at"] for letter in await recorded(sql)] == [None]


@pytest.mark.usefixtures("trap")
async def test_a_replay_that_is_killed_when_it_sent_may_be_repeated_and_takes_effect_once(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    record = await given_up(agent, sql)
    event_id = json.loads(record)["id"]
    sidecar.answers.clear()
    process = await started(settings, "replay", event_id)
    await until_sent(sidecar, record)
    process.kill()
    await process.communicate()
    assert await shown(agent, record) == ("dead-lettered", 3)

    sidecar.answers.set()
    await sql.execute(CONSTRAINT[1])
    assert (await sent_again(settings, event_id))[-1] == "1 replayed"
    assert [await deliver(agent, record, offset=offset) for offset in (18, 19)] == ["SUCCESS"] * 2
    assert (await shown(agent, record))[0] == "applied"
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", event_id) == 1


@pytest.mark.usefixtures("trap")
async def test_what_is_delivered_before_its_replay_has_ended_gets_all_its_attempts_too(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    record = await given_up(agent, sql)
    patient = settings.model_copy(update={"sidecar_timeout_seconds": 20.0, "database_timeout_seconds": 20.0})
    sidecar.answers.clear()
    replaying = asyncio.create_task(sent_again(patient, json.loads(record)["id"]))
    await until_sent(sidecar, record)
    assert await deliver(agent, record, offset=18) == "RETRY", "expected it to wait for the replay to end"
    sidecar.answers.set()
    await replaying
    assert [await deliver(agent, record, offset=18) for _ in range(3)] == ["RETRY", "RETRY", "SUCCESS"]
    assert await shown(agent, record) == ("dead-lettered", 3)


@pytest.mark.usefixtures("trap")
async def test_an_event_is_known_as_failing_until_its_replay_is_delivered(
    agent: httpx.AsyncClient, settings: Settings, sql: asyncpg.Connection
) -> None:
    record = await given_up(agent, sql)
    await sent_again(settings, json.loads(record)["id"])
    assert await shown(agent, record) == ("failing", 0)
    await sql.execute(CONSTRAINT[1])
    assert await deliver(agent, record, offset=18) == "SUCCESS"
    assert (await shown(agent, record))[0] == "applied"


@pytest.mark.parametrize("record", [b"not JSON", as_delivered(b"{}")], ids=["without an id", "wrapped"])
async def test_what_fails_for_ever_stays_dead_lettered_under_every_id_it_had(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection, record: bytes
) -> None:
    assert await deliver(agent, record, 6, 66) == "SUCCESS"
    (letter,) = await recorded(sql)
    await sent_again(settings, letter["id"])
    assert await deliver(agent, sidecar.records[-1][1], 6, 67) == "SUCCESS"
    for letter in await recorded(sql):
        seen = await agent.get(f"/events/{letter['id']}", params={"source": letter["source"] or "fastapi-dapr-agent"})
        assert (seen.json()["status"], seen.json()["attempts"]) == ("dead-lettered", 1)
    assert len(await recorded(sql)) == 2


@pytest.mark.usefixtures("agent")
async def test_a_dry_run_says_what_would_be_sent_and_sends_nothing(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    event_id = await written(sql, original='{"x": "\x9b2J"}'.encode() + b"y" * 1000)
    before = await recorded(sql)
    code, stdout, stderr = await command(settings, "replay", "--dry-run", event_id)
    assert (code, stderr) == (0, "")
    line, last = stdout.splitlines()
    told = f"would replay {event_id} of fastapi-dapr-agent: 1013 bytes to agent-events: "
    assert line.startswith(told + r'{"x": "\x9b2J"}yyy')
    assert line.isprintable()
    assert len(line) < len(told) + 310
    assert last == "1 would be replayed, nothing was sent"
    assert sidecar.records == []
    assert await recorded(sql) == before


@pytest.mark.usefixtures("agent")
async def test_of_several_ids_each_is_sent_or_none(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    ids = [await written(sql, original=b"%d" % number) for number in range(3)]
    with pytest.raises(ServiceError, match="there is no dead letter nobody"):
        await sent_again(settings, *ids[:2], "nobody")
    assert sidecar.records == []
    assert (await sent_again(settings, *ids[:2], ids[0]))[-1] == "2 replayed"
    assert sidecar.records == [(TOPIC, b"0"), (TOPIC, b"1")]
    assert (await sent_again(settings, ids[0]))[-1] == "1 replayed", "expected an id to be sent again when it is named"


@pytest.mark.usefixtures("agent")
async def test_of_a_filter_all_that_match_are_sent_in_their_order_and_not_again(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    for number in range(3):
        await written(sql, reason="Deadlock detected", original=b"%d" % number, key="a%2Fb")
    await written(sql, reason="key reused")
    cut = await written(sql, reason="deadlock", size=7)
    lines = await sent_again(settings, "--reason", "deadlock")
    assert (
        lines[0] == f"left: only the beginning of {cut} was kept, of 7 bytes: the whole is at " + lines[0].split()[-1]
    )
    assert lines[-1] == "3 replayed"
    assert [record for _, record in sidecar.records] == [b"0", b"1", b"2"]
    assert [one["query"] for one in sidecar.published] == [{"metadata.partitionKey": "a/b"}] * 3
    assert (await sent_again(settings, "--reason", "deadlock"))[-1] == "0 replayed"
    assert (await sent_again(settings, "--reason", "deadlock", "--replayed", "yes"))[-1] == "3 replayed"
    assert (await sent_again(settings, "--all"))[-1] == "1 replayed"


@pytest.mark.usefixtures("agent")
async def test_a_replay_of_many_that_is_cut_short_goes_on_where_it_stopped(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    events = [cloud_event({"message": "m"}, id=uuid4().hex) for _ in range(3)]
    for event in events:
        await written(sql, event["id"], original=json.dumps(event).encode())
    sidecar.refused = {events[1]["id"]}
    code, stdout, stderr = await command(settings, "replay", "--all")
    assert (code, stdout.splitlines()[1:]) == (1, [])
    assert f"1 of 3 replayed, stopped at {events[1]['id']}" in stderr
    sidecar.refused.clear()
    assert (await sent_again(settings, "--all"))[-1] == "2 replayed"
    assert [event["id"] for event in sidecar.published] == [event["id"] for event in events]


@pytest.mark.usefixtures("agent")
async def test_an_error_that_names_what_a_producer_wrote_commands_no_terminal(
    settings: Settings, sql: asyncpg.Connection
) -> None:
    event_id = await written(sql, source="\x9b 2J")
    await written(sql, event_id, source="\u202e")
    _, _, stderr = await command(settings, "replay", event_id)
    assert stderr.strip().isprintable()
    assert r"\x9b\x202J, \u202e" in stderr
    assert (await sent_again(settings, event_id, "--source", r"\x9b\x202J"))[-1] == "1 replayed"
    _, _, stderr = await command(settings, "replay", "\x9b2J")
    assert stderr == "error: there is no dead letter \\x9b2J\n"


@pytest.mark.usefixtures("agent")
async def test_a_letter_that_is_deleted_while_others_are_sent_stops_the_replay_aloud(
    settings: Settings, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    first, second = [await written(sql) for _ in range(2)]
    patient = settings.model_copy(update={"sidecar_timeout_seconds": 20.0})
    sidecar.answers.clear()
    replaying = asyncio.create_task(sent_again(patient, first, second))
    await until_sent(sidecar, b"{}")
    await sql.execute("DELETE FROM dead_letters WHERE id = $1", second)
    sidecar.answers.set()
    with pytest.raises(ServiceError, match=rf"deleted meanwhile; 1 of 2 replayed, stopped at {second}"):
        await replaying
