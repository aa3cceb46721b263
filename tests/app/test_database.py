"""The direct query, and what events left."""

import asyncio
from contextlib import AsyncExitStack

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.database import Database
from app.main import create_app
from tests.app.client import assert_problem, cloud_event, deliver, running, until_failing, until_ready
from tests.app.gate import Gate
from tests.app.postgres import PostgresServer
from tests.app.waiting import until

pytestmark = pytest.mark.anyio


async def test_the_query_asks_postgresql(agent: httpx.AsyncClient, sql: asyncpg.Connection) -> None:
    body = (await agent.get("/db/query")).json()
    tables = await sql.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
    assert body == {"status": "ok", "postgres_version": await sql.fetchval("SELECT version()"), "table_count": tables}
    assert tables >= 4


@pytest.mark.parametrize("how", ["stopped", "frozen"])
@pytest.mark.parametrize("path", ["/db/query", "/events/x", "/events?key=x"])
async def test_without_the_database_a_query_is_a_503_in_time(
    agent: httpx.AsyncClient, postgres: PostgresServer, how: str, path: str
) -> None:
    postgres.take_away(how)
    for response in await asyncio.gather(*(agent.get(path) for _ in range(25))):
        assert_problem(response, 503, "database")
        assert response.headers["retry-after"]
        assert response.elapsed.total_seconds() < 1

    postgres.restore()
    await until_ready(agent)
    assert (await agent.get("/db/query")).status_code == 200


async def test_connections_that_died_without_a_word_are_not_used_again(
    settings: Settings, postgres: PostgresServer
) -> None:
    gate = Gate(postgres.port)
    await gate.start()
    async with running(create_app(settings.model_copy(update={"postgres_port": gate.port}))) as client:
        await until_ready(client)
        await asyncio.gather(*(client.get("/db/query") for _ in range(10)))

        assert gate.silence() >= 5, "expected several connections in the pool"
        await until_failing(client, "database")
        await until_ready(client, within_seconds=1)

        answers = await asyncio.gather(*(client.get("/db/query") for _ in range(10)))
        assert [answer.status_code for answer in answers] == [200] * 10
    await gate.stop()


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


async def test_an_unknown_event_is_a_404(agent: httpx.AsyncClient) -> None:
    assert_problem(await agent.get("/events/never-seen"), 404, "never-seen")


@pytest.mark.parametrize("path", ["/events", "/events?key=a%00b", f"/events?key={'x' * 257}", "/events/a%00b"])
async def test_a_bad_question_about_events_is_refused(agent: httpx.AsyncClient, path: str) -> None:
    assert_problem(await agent.get(path), 422)


async def test_a_key_without_events_has_empty_totals(agent: httpx.AsyncClient) -> None:
    body = (await agent.get("/events?key=nobody")).json()
    assert body == {"key": "nobody", "totals": {"count": 0, "amount": 0}, "events": []}
