"""The direct query, and what events left."""

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from time import monotonic
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app import SERVICE
from app.config import Settings
from app.database.postgres import CONNECTIONS, Database
from app.errors import DependencyUnavailableError
from app.main import create_app
from tests.app.client import assert_problem, cloud_event, deliver, running, until_failing, until_ready
from tests.app.databases import connected
from tests.app.gate import Gate
from tests.app.postgres import PostgresServer
from tests.app.waiting import in_time, until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]
OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"

INSERT = """
INSERT INTO processed_events (id, key, message, metadata, applied_at, digest, source)
SELECT $1 || '-' || lpad(number::text, 3, '0'), $1, 'm', $3::text::jsonb,
    now() + (number / $5::integer) * $4::interval, '', 'fastapi-dapr-agent'
FROM generate_series(0, $2::integer - 1) AS number
"""


async def test_the_query_asks_postgresql(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    body = (await agent.get("/db/query")).json()
    tables = await sql.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert body == {"status": "ok", "postgres_version": await sql.fetchval("SELECT version()"), "table_count": tables}
    assert tables >= 4


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.parametrize("path", ["/db/query", "/events/x", "/events?key=x"])
async def test_without_the_database_a_query_is_a_503_in_time(
    agent: httpx.AsyncClient, settings: Settings, postgres: PostgresServer, how: str, path: str
) -> None:
    postgres.take_away(how)
    for response in await asyncio.gather(*(agent.get(path) for _ in range(25))):
        assert_problem(response, 503, "database")
        assert response.headers["retry-after"]
        assert response.elapsed.total_seconds() < in_time(settings.database_timeout_seconds)

    postgres.restore()
    await until_ready(agent)
    assert (await agent.get("/db/query")).status_code == 200


async def test_connections_that_died_without_a_word_are_not_used_again(settings: Settings, gate: Gate) -> None:
    # so long that whoever uses one of them is late
    beyond = settings.model_copy(update={"postgres_port": gate.port, "database_timeout_seconds": 20.0})
    async with running(create_app(beyond)) as client:
        await until_ready(client)
        await asyncio.gather(*(client.get("/db/query") for _ in range(10)))

        assert gate.silence() >= 5, "expected several connections in the pool"
        await until_failing(client, "database")
        await until_ready(client, within_seconds=1)

        answers = await asyncio.gather(*(client.get("/db/query") for _ in range(10)))
        assert {(answer.status_code, answer.json().get("detail")) for answer in answers} == {(200, None)}


async def test_whatever_gets_no_answer_has_the_pool_beside_it_connect_anew(settings: Settings, gate: Gate) -> None:
    beyond = settings.model_copy(update={"postgres_port": gate.port})
    async with Database(beyond) as database, Database(beyond, connections=1, beside=database) as checked:
        await checked.check()
        async with database.connection() as connection:
            session = await connection.fetchval("SELECT pg_backend_pid()")

        async def ask() -> None:
            async with asyncio.timeout(0.1), checked.connection() as connection:
                gate.silence()
                await connection.fetchval("SELECT 1")

        with pytest.raises(TimeoutError):
            await ask()
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT pg_backend_pid()") != session


async def test_a_transaction_that_falls_silent_ends_in_time(settings: Settings, gate: Gate) -> None:
    async with Database(settings.model_copy(update={"postgres_port": gate.port})) as database:

        async def ask() -> None:
            async with database.connection() as connection, connection.transaction():
                gate.silence()
                await connection.execute("SELECT 1")

        began = monotonic()
        with pytest.raises(DependencyUnavailableError):
            await ask()
        assert monotonic() - began < in_time(settings.database_timeout_seconds + 2)


async def test_a_connection_that_falls_silent_when_it_is_to_be_closed_keeps_nobody_waiting(
    settings: Settings, gate: Gate
) -> None:
    async with Database(settings.model_copy(update={"postgres_port": gate.port}), 1, statements=1) as database:
        for _ in range(2):
            async with database.connection() as connection:
                await connection.execute("SELECT 1")
                gate.silence()


async def test_a_session_that_was_ended_and_is_not_closed_yet_is_an_absence_and_used_once(
    settings: Settings, gate: Gate, sql: asyncpg.Connection
) -> None:
    gate.hides_ends = True
    async with Database(settings.model_copy(update={"postgres_port": gate.port})) as database:

        async def ask() -> int:
            async with database.connection() as connection:
                session: int = await connection.fetchval("SELECT pg_backend_pid()")
                return session

        session = await ask()
        await sql.execute("SELECT pg_terminate_backend($1)", session)

        async def said() -> bytes:
            return bytes(gate.said[0])

        await until("the server to say so", said, lambda answers: b"C57P01\0" in answers, 2)
        await sql.execute("SELECT 1")  # a turn of the loop, in which the client reads it
        with pytest.raises(DependencyUnavailableError, match="the server ended the session"):
            await ask()
        assert await ask() != session


async def outlives_a_late_check(settings: Settings, sql: asyncpg.Connection, replica: asyncpg.Connection) -> bool:
    """Tell whether a session is there after a check that comes when it has been silent for long."""
    brief = settings.model_copy(update={"sidecar_timeout_seconds": 0.1})
    long = timedelta(seconds=brief.sidecar_timeout_seconds + brief.database_timeout_seconds)
    silent = "SELECT clock_timestamp() - state_change > $2 FROM pg_stat_activity WHERE pid = $1"
    session = replica.get_server_pid()
    async with Database(brief) as database:
        await database.check()
        # None if it did not outlive this one
        await until("the session to be silent for long", lambda: sql.fetchval(silent, session, long), bool, 3)
        await database.check()
    ended = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)"
    with suppress(AssertionError):
        await until("the session to be ended", lambda: sql.fetchval(ended, session), bool, 0.3)
        return False
    return True


@pytest.mark.parametrize("last", ["in a transaction", "half-way in a statement"])
async def test_a_replica_that_is_silent_in_a_transaction_loses_its_session(
    settings: Settings, postgres: PostgresServer, sql: asyncpg.Connection, last: str
) -> None:
    replica = await connected(postgres, name=SERVICE)
    await replica.execute("BEGIN; SELECT pg_advisory_xact_lock(1)")
    if last == "half-way in a statement":
        await replica.prepare("SELECT 1")
    assert not await outlives_a_late_check(settings, sql, replica)
    assert await sql.fetchval("SELECT pg_try_advisory_xact_lock(1)")
    replica.terminate()


@pytest.mark.parametrize(("name", "last"), [(SERVICE, "COMMIT"), ("somebody else", "SELECT 1")])
async def test_who_is_in_no_transaction_or_somebody_else_may_be_silent(
    settings: Settings, postgres: PostgresServer, sql: asyncpg.Connection, name: str, last: str
) -> None:
    replica = await connected(postgres, name=name)
    await replica.execute("BEGIN")
    await replica.execute(last)
    assert await outlives_a_late_check(settings, sql, replica)
    replica.terminate()


async def test_a_transaction_that_was_left_open_is_nobody_elses(settings: Settings) -> None:
    async with Database(settings, connections=1) as database:
        for _ in range(2):
            async with database.connection() as connection:
                assert not connection.is_in_transaction()
                await connection.execute("BEGIN")


async def test_replicas_that_start_together_make_the_tables_once(settings: Settings, sql: asyncpg.Connection) -> None:
    async with AsyncExitStack() as stack:
        replicas = [await stack.enter_async_context(Database(settings)) for _ in range(5)]
        await sql.execute("DROP TABLE IF EXISTS processed_events, effects, totals, failed_events, outbox, dead_letters")
        await asyncio.gather(*(replica.check() for replica in replicas))
    assert await sql.fetchval("SELECT to_regclass('failed_events') IS NOT NULL")


async def test_lost_tables_are_made_again(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    await sql.execute("DROP TABLE processed_events, effects, totals, failed_events, outbox, dead_letters")
    event = cloud_event({"message": "m"})
    assert await deliver(agent, event) == "RETRY"
    await until("the event to be applied", lambda: deliver(agent, event), lambda reply: reply == "SUCCESS", 1)


async def test_a_server_that_is_too_old_is_a_warning_that_names_it(
    settings: Settings, sql: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.postgres.OLDEST", 99)
    async with running(create_app(settings)) as agent:
        await until_ready(agent)
        warning = (await agent.get("/ready")).json()["checks"]["database"]["warning"]
    major = sql.get_server_version().major
    assert f"the server is PostgreSQL {major}, Dapr's state store expects 99 or newer" in warning


async def test_an_unknown_event_is_a_404(agent: httpx.AsyncClient) -> None:
    assert_problem(await agent.get("/events/never-seen"), 404, "never-seen")


@pytest.mark.parametrize("path", ["/events", "/events?key=a%00b", f"/events?key={'x' * 257}", "/events/a%00b"])
async def test_a_bad_question_about_events_is_refused(agent: httpx.AsyncClient, path: str) -> None:
    assert_problem(await agent.get(path), 422)


async def test_a_key_without_events_has_empty_totals(agent: httpx.AsyncClient) -> None:
    body = (await agent.get("/events?key=nobody")).json()
    assert body == {"key": "nobody", "totals": {"count": 0, "amount": 0}, "events": [], "next_page_token": None}


async def pages(agent: httpx.AsyncClient, key: str, size: int) -> list[list[str]]:
    """The ids of each page of a key's events, until there are no more."""
    found: list[list[str]] = []
    asked = {"key": key, "page_size": str(size)}
    while "page_token" not in asked or asked["page_token"]:
        body = (await agent.get("/events", params=asked)).json()
        found.append([event["id"] for event in body["events"]])
        asked["page_token"] = body["next_page_token"]
    return found


async def test_the_events_of_a_key_come_in_pages(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    key = uuid4().hex
    # three at a time, as by one transaction
    await sql.execute(INSERT, key, 25, "7", timedelta(seconds=1), 3)
    found = await pages(agent, key, 10)
    assert [len(page) for page in found] == [10, 10, 5]
    ids = [f"{key}-{number:03}" for number in range(25)]
    assert sorted(one for page in found for one in page) == ids
    assert found[0][0] == ids[-1]


async def test_a_page_is_bounded_in_bytes(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    key = uuid4().hex
    await sql.execute(INSERT, key, 12, f"[{'1e308,' * 999}7]", timedelta(seconds=1), 1)  # 6 kB, 309 kB as it is kept
    assert [len(page) for page in await pages(agent, key, 100)] == [3, 3, 3, 3]
    await sql.execute(INSERT, f"{key}+", 2, f"[{'1e308,' * 9999}7]", timedelta(seconds=1), 1)
    assert [len(page) for page in await pages(agent, f"{key}+", 100)] == [1, 1]


@pytest.mark.parametrize("token", ["x", "e30=", "WzEsMl0=", "WyIyMDI2LTAxLTAxIl0=", "ß"])
async def test_a_page_token_of_somebody_else_is_refused(agent: httpx.AsyncClient, token: str) -> None:
    answer = await agent.get("/events", params={"key": "k", "page_token": token})
    assert_problem(answer, 422, "page_token: expected the next_page_token of an answer")


async def test_a_lock_that_is_held_for_long_takes_no_more_connections_than_the_pool_has(
    agent: httpx.AsyncClient, sql: asyncpg.Connection
) -> None:
    began, most = monotonic(), 0
    async with sql.transaction():
        await sql.execute("LOCK TABLE processed_events")
        while monotonic() - began < 4:
            answers = await asyncio.gather(*(agent.get("/events/x") for _ in range(CONNECTIONS)))
            most = max(most, await sql.fetchval(OTHERS))
    assert {answer.status_code for answer in answers} == {503}
    assert CONNECTIONS <= most <= CONNECTIONS + 1, "expected the pool's, and the check's own"
    await until_ready(agent, within_seconds=2)
    assert (await agent.get("/events/x")).status_code == 404
