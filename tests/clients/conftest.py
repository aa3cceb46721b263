"""An agent that runs as in its container, with a PostgreSQL of its own; its sidecar and its broker are stand-ins."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from tests.app.broker import StandInBroker
from tests.app.gate import Gate
from tests.app.postgres import PASSWORD, PostgresServer, free_port
from tests.app.sidecar import StandInSidecar
from tests.app.test_service import ENVIRONMENT, run
from tests.app.waiting import until


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """The way to the agent: a gate that knows what came over each connection."""
    server = PostgresServer()
    try:
        server.start()
        with start_blocking_portal() as portal, portal.wrap_async_context_manager(_serving(server.port)) as gate:
            yield gate
    finally:
        server.remove()


@asynccontextmanager
async def _serving(postgres_port: int) -> AsyncIterator[Gate]:
    async with AsyncExitStack() as stack:
        sidecar, broker, gate = StandInSidecar(), StandInBroker(), Gate(free_port())
        for one in (sidecar, broker, gate):
            await one.start()
            stack.push_async_callback(one.stop)
        environment = {
            "APP_PORT": str(gate.server_port),
            "DAPR_HTTP_PORT": str(sidecar.port),
            "POSTGRES_PORT": str(postgres_port),
            "POSTGRES_PASSWORD": PASSWORD,
            "KAFKA_BROKERS": f"127.0.0.1:{broker.port}",
            "DRAIN_SECONDS": "0",
        }
        process = run(**(ENVIRONMENT | environment))
        try:
            await _until_ready(gate.server_port)
            yield gate
        finally:
            process.terminate()
            log, errors = process.communicate(timeout=20)
        assert errors == ""
        lines = [json.loads(line) for line in log.splitlines()]
        assert [line for line in lines if line["level"] == "error"] == []


async def _until_ready(port: int) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:

        async def ask() -> tuple[int, str]:
            try:
                answer = await client.get("/ready")
            except httpx.ConnectError as error:
                return 0, str(error)
            return answer.status_code, answer.text

        await until("the agent to be ready", ask, lambda answer: answer[0] == 200, 30)
