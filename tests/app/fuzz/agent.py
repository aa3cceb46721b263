"""The agent that is fuzzed: its sidecar and its broker are stand-ins, its PostgreSQL is real."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
from anyio.from_thread import BlockingPortal
from pydantic import SecretStr

from acceptance.agent.inputs.bad_answer import examine
from acceptance.agent.inputs.request import Request
from app.config import Settings
from app.main import create_app
from tests.app.broker import StandInBroker
from tests.app.client import APP_TOKEN, running, until_ready
from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.sidecar import StandInSidecar

DATABASE = "fuzz"
HANG_S = 5
BASE = "http://agent"


class FuzzedAgent:
    """Sends requests to an agent that runs in another thread, examines the answers, and counts."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient) -> None:
        self._portal = portal
        self._client = client
        self.sent = 0

    def send(self, request: Request) -> httpx.Response:
        """The answer; TimeoutError when there is none within 5 s."""
        return self._portal.call(self._send, request)

    def examine(self, request: Request, *, is_refused: bool | None = None) -> int:
        """Send a request and return the answer's status; AssertionError, with the line that repeats it, if wrong."""
        self.sent += 1
        found = examine(self.send, request, is_refused=is_refused)
        complaint = found.complaint or (f"{found.seconds:.1f} s" if found.seconds > HANG_S else "")
        assert not complaint, f"{complaint}\n{request.curl(BASE)}"
        return found.status

    async def _send(self, request: Request) -> httpx.Response:
        async with asyncio.timeout(HANG_S):
            return await self._client.request(
                request.method, BASE + request.path, headers=request.raw_headers(APP_TOKEN), content=request.body
            )


@asynccontextmanager
async def serving(server: PostgresServer) -> AsyncIterator[httpx.AsyncClient]:
    """An agent that is ready, in a database of its own."""
    connection = await asyncpg.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, database="postgres"
    )
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.close()
    sidecar, broker = StandInSidecar(), StandInBroker()
    await sidecar.start()
    await broker.start()
    settings = Settings(
        app_api_token=SecretStr(APP_TOKEN),
        dapr_http_port=sidecar.port,
        postgres_host="127.0.0.1",
        postgres_port=server.port,
        postgres_user="postgres",
        postgres_password=SecretStr(PASSWORD),
        postgres_database=DATABASE,
        kafka_brokers=f"127.0.0.1:{broker.port}",
    )
    async with running(create_app(settings)) as client:
        await until_ready(client)
        yield client
    await broker.stop()
    await sidecar.stop()
