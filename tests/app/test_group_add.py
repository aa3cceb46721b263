"""Events that are queued together are queued as one by one, and what is wrong with one is that one's alone."""

import asyncio
from time import monotonic
from uuid import uuid4

import asyncpg
import pytest

from app.database.postgres import Database
from app.errors import DependencyUnavailableError, ServiceError
from app.event.data import EventData
from app.outbox import store
from app.outbox.group_add import GroupAdd
from tests.app.counted import counted

pytestmark = [pytest.mark.anyio, pytest.mark.brief]

REFUSE = """
CREATE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '22000'; END $$
LANGUAGE plpgsql;
CREATE TRIGGER refuse BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.key = 'bad') EXECUTE FUNCTION refuse()
"""
KEPT = "SELECT id, data->>'message' AS message FROM outbox WHERE id LIKE $1 || '%' ORDER BY number"


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events were in each statement."""
    return counted(monkeypatch, store, "add")


def event(message: str = "m", key: str = "") -> EventData:
    return EventData.model_validate({"message": message, "metadata": {"key": key}})


async def test_what_comes_during_a_statement_is_in_the_next(
    database: Database, sql: asyncpg.Connection, added: list[int]
) -> None:
    group, run = GroupAdd(database, 10), uuid4().hex
    await asyncio.gather(*(group.add(f"{run}{number:03}", event(str(number)), {}) for number in range(40)))
    assert [row["message"] for row in await sql.fetch(KEPT, run)] == [str(number) for number in range(40)]
    assert added == [40]


async def test_an_id_that_comes_twice_at_once_is_queued_once_or_refused(
    database: Database, sql: asyncpg.Connection
) -> None:
    group, run = GroupAdd(database, 10), uuid4().hex
    given = [(run, "m"), (f"{run}-2", "m"), (run, "m"), (run, "another")]
    answers = await asyncio.gather(*(group.add(id_, event(text), {}) for id_, text in given), return_exceptions=True)
    assert answers[:3] == [None] * 3
    assert isinstance(answers[3], ServiceError)
    assert [tuple(row) for row in await sql.fetch(KEPT, run)] == [(run, "m"), (f"{run}-2", "m")]


async def test_what_was_applied_is_not_queued_again_beside_others(database: Database, sql: asyncpg.Connection) -> None:
    group, run = GroupAdd(database, 10), uuid4().hex
    await sql.execute(
        "INSERT INTO processed_events (id, source, key, message, metadata, digest) "
        "VALUES ($1, 'fastapi-dapr-agent', '', 'm', '{\"key\": \"\"}', '')",
        run,
    )
    ids = [run, f"{run}-2"]
    await asyncio.gather(*(group.add(id_, event(), {}) for id_ in ids))
    assert [row["id"] for row in await sql.fetch(KEPT, run)] == [f"{run}-2"]


async def test_what_the_server_refuses_of_several_is_refused_alone(
    database: Database, sql: asyncpg.Connection, added: list[int]
) -> None:
    group, run = GroupAdd(database, 10), uuid4().hex
    await sql.execute(REFUSE)
    try:
        keys = ["", "", "bad", ""]
        answers = await asyncio.gather(
            *(group.add(f"{run}{number}", event(key=key), {}) for number, key in enumerate(keys)),
            return_exceptions=True,
        )
    finally:
        await sql.execute("DROP FUNCTION refuse CASCADE")
    assert [answer is None for answer in answers] == [True, True, False, True]
    assert isinstance(answers[2], asyncpg.DataError)
    assert {row["id"] for row in await sql.fetch(KEPT, run)} == {f"{run}{number}" for number in (0, 1, 3)}
    assert added == [4, 1, 1, 1, 1]


async def test_a_locked_row_keeps_no_other_event_for_longer_than_once(
    database: Database, sql: asyncpg.Connection
) -> None:
    group, run = GroupAdd(database, 10), uuid4().hex
    ids = [f"{run}-{number}" for number in range(10)]
    await group.add(f"{run}-locked", event(), {})
    async with sql.transaction():
        await sql.execute("SELECT FROM outbox WHERE id = $1 FOR UPDATE", f"{run}-locked")
        first = await asyncio.gather(
            group.add(f"{run}-locked", event(), {}),
            *(group.add(one, event(), {}) for one in ids[:5]),
            return_exceptions=True,
        )
        assert (type(first[0]), first[1:]) == (DependencyUnavailableError, [None] * 5)

        waiting = asyncio.create_task(group.add(f"{run}-locked", event(), {}))
        started = monotonic()
        await asyncio.gather(*(group.add(one, event(), {}) for one in ids[5:]))
        assert monotonic() - started < 0.5, "others waited for the locked one, which is to go alone"
        assert not waiting.done()
    await waiting


async def test_behind_a_lock_a_client_is_told_in_time(database: Database, sql: asyncpg.Connection) -> None:
    group, run = GroupAdd(database, 0.6), uuid4().hex
    started = monotonic()
    async with sql.transaction():
        await sql.execute("LOCK TABLE outbox IN SHARE MODE")
        answers = await asyncio.gather(
            *(group.add(f"{run}-{number}", event(), {}) for number in range(30)), return_exceptions=True
        )
    assert monotonic() - started < 1.5, "clients waited for longer than they were promised"
    assert {str(answer) for answer in answers} == {"503: database is unavailable: no answer within 0.6 s"}
    await group.add(f"{run}-0", event(), {})


async def test_of_several_of_which_one_is_left_out_none_is_given_the_answer_of_another(
    database: Database, sql: asyncpg.Connection
) -> None:
    group, run = GroupAdd(database, 10), uuid4().hex
    await sql.execute(REFUSE.replace("RAISE EXCEPTION 'refused' USING ERRCODE = '22000'", "RETURN NULL"))
    try:
        answers = await asyncio.gather(
            *(group.add(f"{run}{number}", event(key=key), {}) for number, key in enumerate(["", "bad", ""])),
            return_exceptions=True,
        )
    finally:
        await sql.execute("DROP FUNCTION refuse CASCADE")
    assert [type(answer) for answer in answers] == [type(None), LookupError, type(None)]
