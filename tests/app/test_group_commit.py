"""Events that are applied together leave what they leave one by one, and what is wrong with one is that one's alone."""

import asyncio
import json
import random
from collections.abc import Callable
from time import monotonic
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.config import Settings
from app.consume import effects
from app.consume.group_apply import GroupApply
from app.database import group_commit
from app.database.group_commit import MAX_ROWS
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.event.delivery import Delivery, IndigestibleError
from tests.app.client import cloud_event
from tests.app.counted import counted
from tests.app.postgres import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.brief]

SOURCES = ("fastapi-dapr-agent", "orders", "bills")
PROCESSED = """
SELECT id, source, key, message, metadata, deliveries, "partition", "offset", redelivered FROM processed_events
WHERE key LIKE $1 || '%'
"""
EFFECTS = "SELECT event_id, source, key, amount FROM effects WHERE key LIKE $1 || '%'"
TOTALS = "SELECT key, count, amount FROM totals WHERE key LIKE $1 || '%'"
REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{}'; END $$
LANGUAGE plpgsql;
CREATE TRIGGER refuse BEFORE INSERT ON effects FOR EACH ROW WHEN (NEW.key LIKE '%-bad') EXECUTE FUNCTION refuse()
"""
REFUSE_NO_MORE = "DROP FUNCTION refuse CASCADE"


@pytest.fixture
def committed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events were in each statement."""
    return counted(monkeypatch, effects, "commit")


def delivery(key: str, amount: float = 1, offset: int = 0, **attributes: str) -> Delivery:
    event = cloud_event({"message": "m", "metadata": {"key": key, "amount": amount}}, **attributes)
    return Delivery(json.dumps(event).encode(), "agent-events", 1, offset, "")


def some_chunks(run: str, seed: int) -> list[list[Delivery]]:
    """Deliveries of few ids and sources: most come again, with the same data, or later with other."""
    chance = random.Random(seed)  # noqa: S311 - to be played again
    chunks = []
    for number in range(12):
        wanted = [(chance.choice("abcdefgh"), chance.choice(SOURCES)) for _ in range(chance.choice([1, 2, 7, 30]))]
        data = {one: (f"{run}-{chance.choice('xy')}", chance.choice([1, 1, 2.5])) for one in sorted(set(wanted))}
        chunks.append([delivery(*data[id_, source], number, id=run + id_, source=source) for id_, source in wanted])
    return chunks


async def outcome(group: GroupApply, each: Delivery) -> tuple[str, str, str]:
    """Of which event what has become, without the run's name."""
    try:
        result = str(await group.apply(each))
    except IndigestibleError as error:
        result = str(error).partition(":")[0]
    return each.id[32:], str(each.source), result


async def tables(sql: asyncpg.Connection, run: str) -> list[Any]:
    """What there is of a run, without its name."""
    rows = [[tuple(row) for row in await sql.fetch(query, run)] for query in (PROCESSED, EFFECTS, TOTALS)]
    return sorted(str(row).replace(run, "run") for table in rows for row in table)


@pytest.mark.parametrize("seed", range(8))
async def test_any_batching_leaves_the_same_as_one_by_one(
    database: Database, sql: asyncpg.Connection, seed: int
) -> None:
    one, other, group = uuid4().hex, uuid4().hex, GroupApply(database)
    expected = [sorted([await outcome(group, each) for each in chunk]) for chunk in some_chunks(one, seed)]

    seen = [
        sorted(await asyncio.gather(*(outcome(group, each) for each in chunk))) for chunk in some_chunks(other, seed)
    ]

    assert seen == expected
    assert await tables(sql, other) == await tables(sql, one)


async def test_what_comes_during_a_statement_is_in_the_next(
    database: Database, sql: asyncpg.Connection, committed: list[int]
) -> None:
    group, run = GroupApply(database), uuid4().hex
    first = asyncio.create_task(group.apply(delivery(run)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert committed == [1], "a lone event waits for others"
    assert all(await asyncio.gather(first, *(group.apply(delivery(run)) for _ in range(30))))

    assert committed == [1, 30]
    assert await sql.fetchval("SELECT count FROM totals WHERE key = $1", run) == 31


async def test_after_a_batch_the_next_waits_for_who_was_in_it(
    database: Database, committed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "PAUSE_SECONDS", 0.3)
    group, run = GroupApply(database), uuid4().hex
    await asyncio.gather(*(group.apply(delivery(run)) for _ in range(2)))
    soon = asyncio.create_task(group.apply(delivery(run)))
    await asyncio.sleep(0.05)
    await asyncio.gather(soon, group.apply(delivery(run)))
    assert committed == [2, 2]


async def test_a_statement_has_an_end(database: Database, committed: list[int]) -> None:
    group, run = GroupApply(database), uuid4().hex
    await asyncio.gather(*(group.apply(delivery(run)) for _ in range(MAX_ROWS + 10)))
    assert committed == [MAX_ROWS, 10]


async def test_an_id_is_once_in_a_statement(database: Database, committed: list[int]) -> None:
    group, run = GroupApply(database), uuid4().hex
    same = [delivery(run, id=run) for _ in range(3)]
    assert await asyncio.gather(*map(group.apply, same), group.apply(delivery(run))) == [True, False, False, True]
    assert committed == [2, 1, 1]


@pytest.mark.parametrize(
    ("condition", "raised"),
    [("raise_exception", asyncpg.RaiseError), ("disk_full", DependencyUnavailableError)],
)
async def test_what_is_wrong_with_one_event_keeps_no_other(
    database: Database, sql: asyncpg.Connection, committed: list[int], condition: str, raised: type[Exception]
) -> None:
    group, run = GroupApply(database), uuid4().hex
    await sql.execute(REFUSE.format(condition))
    try:
        good = [delivery(f"{run}-good") for _ in range(4)]
        bad = delivery(f"{run}-bad")
        answers = await asyncio.gather(*map(group.apply, [*good[:2], bad, *good[2:]]), return_exceptions=True)
        assert [answer for answer in answers if answer is not True] == [answers[2]]
        assert isinstance(answers[2], raised)

        committed.clear()
        again = await asyncio.gather(
            group.apply(bad), *(group.apply(delivery(f"{run}-good")) for _ in range(4)), return_exceptions=True
        )
        assert (isinstance(again[0], raised), again[1:]) == (True, [True] * 4)
        assert sorted(committed) == [1, 4], "what failed before is in a batch again"
    finally:
        await sql.execute(REFUSE_NO_MORE)
    assert await group.apply(bad)
    totals = await sql.fetch("SELECT key, count FROM totals WHERE key LIKE $1 || '%'", run)
    assert {row["key"]: row["count"] for row in totals} == {f"{run}-bad": 1, f"{run}-good": 8}


async def test_a_locked_row_keeps_no_other_event_for_longer_than_once(
    database: Database, sql: asyncpg.Connection, settings: Settings
) -> None:
    group, run = GroupApply(database), uuid4().hex
    await group.apply(delivery(f"{run}-locked"))
    locked = delivery(f"{run}-locked")
    async with sql.transaction():
        await sql.execute("SELECT FROM totals WHERE key = $1 FOR UPDATE", f"{run}-locked")
        first = await asyncio.gather(
            group.apply(locked), *(group.apply(delivery(f"{run}-free")) for _ in range(5)), return_exceptions=True
        )
        assert (type(first[0]), first[1:]) == (DependencyUnavailableError, [True] * 5)

        waiting = asyncio.create_task(group.apply(locked))
        started = monotonic()
        assert all(await asyncio.gather(*(group.apply(delivery(f"{run}-free")) for _ in range(5))))
        assert monotonic() - started < settings.database_timeout_seconds / 4
        assert not waiting.done()
    assert await waiting


async def test_replicas_that_are_given_the_same_events_in_another_order_apply_each_once(
    database: Database, settings: Settings, sql: asyncpg.Connection
) -> None:
    run, choose = uuid4().hex, random.Random(1)  # noqa: S311 - to be played again
    events = [delivery(f"{run}-{number % 7}", id=f"{run}-{number}") for number in range(300)]
    shuffled: Callable[[], list[Delivery]] = lambda: choose.sample(events, len(events))  # noqa: E731 - a name for it
    async with Database(settings) as another:
        replicas = [GroupApply(database), GroupApply(another)]
        answers = await asyncio.gather(*(group.apply(one) for group in replicas for one in shuffled()))
    assert sum(answers) == 300
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE key LIKE $1 || '%'", run) == 300
    assert await sql.fetchval("SELECT sum(count)::int FROM totals WHERE key LIKE $1 || '%'", run) == 300


async def test_without_the_database_all_that_waits_is_told_so(
    database: Database, postgres: PostgresServer, settings: Settings
) -> None:
    group, run = GroupApply(database), uuid4().hex
    assert await group.apply(delivery(run))
    postgres.take_away("frozen")
    started = monotonic()
    answers = await asyncio.gather(*(group.apply(delivery(run)) for _ in range(40)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {DependencyUnavailableError}
    assert monotonic() - started < 2 * settings.database_timeout_seconds + 1


async def test_who_no_longer_waits_is_left_out(database: Database, committed: list[int]) -> None:
    group, run = GroupApply(database), uuid4().hex
    first = asyncio.create_task(group.apply(delivery(run)))
    gone = [asyncio.create_task(group.apply(delivery(run))) for _ in range(3)]
    await asyncio.sleep(0)
    for one in gone:
        one.cancel()
    last = group.apply(delivery(run))
    assert all(await asyncio.gather(first, last))
    assert sum(committed) == 2
