"""Databases run by somebody else: behind a pooler, without a right or a connection left, with another password."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from uuid import uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from app.config import Settings
from app.database.postgres import Database
from app.main import create_app
from app.sidecar.api import CREDENTIAL
from tests.app.client import APP_TOKEN, deliver, running, until_named, until_ready
from tests.app.databases import connected
from tests.app.pooler import pooler
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.test_outbox import queue, until_empty, until_published

pytestmark = [pytest.mark.anyio, pytest.mark.brief]
PLAIN = "agent"
SESSIONS = 3
"""Fewer than the agent's connections."""


@pytest.fixture
async def plain(settings: Settings, sql: asyncpg.Connection) -> AsyncIterator[Settings]:
    """Settings of an agent whose role is nobody's superuser, and may make no tables."""
    async with Database(settings) as owner:
        await owner.check()
    await sql.execute(f"""
        CREATE ROLE {PLAIN} LOGIN PASSWORD 'one';
        GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {PLAIN};
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    """)
    yield settings.model_copy(update={"postgres_user": PLAIN, "postgres_password": SecretStr("one")})
    await sql.execute(f"DROP OWNED BY {PLAIN}; DROP ROLE {PLAIN}")


async def test_behind_a_pooler_of_transactions_all_works(
    settings: Settings, postgres: PostgresServer, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    async with pooler(postgres.port, SESSIONS) as port:
        pooled = settings.model_copy(update={"postgres_port": port, "postgres_pooling": "transaction"})
        async with running(create_app(pooled)) as agent:
            agent.headers[CREDENTIAL] = APP_TOKEN
            await until_ready(agent)
            ids = [uuid4().hex for _ in range(20)]
            for event_id in ids:
                assert (await queue(agent, event_id, key="k")).status_code == 202
            assert await until_published(sidecar, len(ids)) == ids
            for _, record in sidecar.records * 2:
                assert await deliver(agent, record) == "SUCCESS"
            await until_empty(sql)
            shown = (await agent.get("/events", params={"key": "k"})).json()
            assert [event["attempts"] for event in shown["events"] if event["id"] in ids] == [2] * len(ids)
            assert (await agent.get("/db/query")).status_code == 200


async def test_behind_a_pooler_a_lock_takes_no_session_for_long(
    settings: Settings, postgres: PostgresServer, sql: asyncpg.Connection
) -> None:
    async with pooler(postgres.port, SESSIONS) as port:
        pooled = settings.model_copy(update={"postgres_port": port, "postgres_pooling": "transaction"})
        async with running(create_app(pooled)) as agent:
            await until_ready(agent)
            async with sql.transaction():
                await sql.execute("LOCK TABLE processed_events")
                assert (await agent.get("/events/x")).status_code == 503
                assert (await agent.get("/db/query")).status_code == 200, "a session still waits for the lock"
            await until_ready(agent)


async def test_a_role_that_may_make_no_tables_works_beside_one_that_made_them(plain: Settings) -> None:
    async with running(create_app(plain)) as agent:
        agent.headers[CREDENTIAL] = APP_TOKEN
        await until_ready(agent)
        assert await deliver(agent, {"specversion": "1.0"}) == "SUCCESS"


async def test_a_role_that_may_make_no_tables_says_so_and_is_ready_once_somebody_did(
    settings: Settings, plain: Settings, sql: asyncpg.Connection
) -> None:
    await sql.execute("DROP TABLE dead_letters")
    async with running(create_app(plain)) as agent:
        await until_named(agent, "permission denied for schema public", within_seconds=5)
        async with Database(settings) as owner:
            await owner.check()
        await sql.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {PLAIN}")
        await until_ready(agent)


async def test_connections_that_others_took_are_named_and_waited_for(plain: Settings, postgres: PostgresServer) -> None:
    async with running(create_app(plain)) as agent, AsyncExitStack() as stack:
        await until_ready(agent)
        with suppress(asyncpg.TooManyConnectionsError):
            while True:
                stack.push_async_callback((await connected(postgres)).close)
        await until_named(agent, "connection slots are reserved", within_seconds=10)
        await stack.aclose()
        await until_ready(agent)


async def test_a_changed_password_is_named_until_it_is_the_agents_again(
    plain: Settings, sql: asyncpg.Connection
) -> None:
    async with running(create_app(plain)) as agent:
        await until_ready(agent)
        await sql.execute(f"ALTER ROLE {PLAIN} PASSWORD 'other'")
        await sql.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1", PLAIN)
        await until_named(agent, "password authentication failed", within_seconds=5)
        assert "other" not in (await agent.get("/ready")).text
        await sql.execute(f"ALTER ROLE {PLAIN} PASSWORD 'one'")
        await until_ready(agent)
