"""The agent and what it depends on."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.config import Settings
from app.database.postgres import Database
from app.main import create_app
from app.sidecar.api import CREDENTIAL
from tests.app.broker import StandInBroker
from tests.app.client import APP_TOKEN, running, until_ready
from tests.app.databases import END_SESSIONS, connected
from tests.app.gate import Gate
from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.sidecar import StandInSidecar

BRIEF = {
    "sidecar_timeout_seconds": 4.0,
    "database_timeout_seconds": 4.0,
    "check_timeout_seconds": 3.0,
    "key_lookup_timeout_seconds": 1.5,
}
PATIENT = dict.fromkeys(BRIEF, 20.0)


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", "brief: something hangs, and the agent gives up soon")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The run's PostgreSQL."""
    server = PostgresServer()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """PostgreSQL, running again after a test that took it away."""
    yield postgres_server
    postgres_server.restore()


@pytest.fixture
async def sidecar() -> AsyncIterator[StandInSidecar]:
    """A sidecar that works."""
    sidecar = StandInSidecar()
    await sidecar.start()
    yield sidecar
    await sidecar.stop()


@pytest.fixture
async def broker() -> AsyncIterator[StandInBroker]:
    """A broker that works."""
    broker = StandInBroker()
    await broker.start()
    yield broker
    await broker.stop()


@pytest.fixture
async def gate(postgres: PostgresServer) -> AsyncIterator[Gate]:
    """Another address of PostgreSQL."""
    gate = Gate(postgres.port)
    await gate.start()
    yield gate
    await gate.stop()


@pytest.fixture
async def emptied(postgres: PostgresServer) -> PostgresServer:
    """PostgreSQL, without an event of an earlier test that is still to be sent."""
    connection = await connected(postgres)
    # of a test that failed: they would hold what is dropped
    await connection.execute(END_SESSIONS)
    await connection.execute("DROP TABLE IF EXISTS outbox, dead_letters")
    await connection.close()
    return postgres


@pytest.fixture
async def settings(
    request: pytest.FixtureRequest, emptied: PostgresServer, sidecar: StandInSidecar, broker: StandInBroker
) -> Settings:
    """Settings of an agent that finds no events of an earlier test.

    It takes no busy machine for a backend that is away. In a test that is marked as `brief` something hangs: there it
    gives up as soon as a busy machine allows.
    """
    return Settings(
        app_api_token=SecretStr(APP_TOKEN),
        dapr_http_port=sidecar.port,
        postgres_host="127.0.0.1",
        postgres_port=emptied.port,
        postgres_user="postgres",
        postgres_password=SecretStr(PASSWORD),
        postgres_database="postgres",
        kafka_brokers=f"127.0.0.1:{broker.port}",
        check_period_seconds=0.1,
        events_period_seconds=0.1,
        silent_seconds=4.0,
        refused_seconds=0.5,
        unsubscribe_after_seconds=0.6,
        unsubscribing_seconds=0.4,
        subscribing_seconds=0.6,
        backend_retry_seconds=0.1,
        sidecar_grace_seconds=0.5,
        outbox_poll_seconds=0.1,
    ).model_copy(update=BRIEF if request.node.get_closest_marker("brief") else PATIENT)


@pytest.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    """The agent's database, with its tables."""
    async with Database(settings) as database:
        await database.check()
        yield database


@pytest.fixture
async def agent(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent that is ready, taken for its sidecar where that matters."""
    async with running(create_app(settings)) as client:
        client.headers[CREDENTIAL] = APP_TOKEN
        await until_ready(client)
        yield client


@pytest.fixture
async def sql(postgres: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the test's own."""
    connection = await connected(postgres)
    yield connection
    await connection.close()
