"""An agent in a thread of its own: its background checks go on while a property test makes its inputs."""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from itertools import count
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from pydantic import SecretStr

from app.config import Settings
from app.main import create_app
from tests.app.broker import StandInBroker
from tests.app.client import APP_TOKEN, deliver, running, until_ready
from tests.app.databases import new_database
from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.sidecar import StandInSidecar


class Agent:
    """An agent on a database of some encoding, in a thread of its own, and what it publishes."""

    def __init__(self, portal: BlockingPortal, client: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
        self.call: Callable[..., Any] = portal.call
        self.client = client
        self.sidecar = sidecar
        self._offsets = count()

    def publish(self, body: object) -> httpx.Response:
        """Send a body to `/publish`."""
        content = json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        answer: httpx.Response = self.call(lambda: self.client.post("/publish", content=content, headers=headers))
        return answer

    def deliver(self, event: object, times: int = 1) -> set[str]:
        """Deliver an event, or a record, so often from a position of its own; all the answers."""
        offset = next(self._offsets)
        return {self.call(deliver, self.client, event, 3, offset) for _ in range(times)}

    def deliver_letter(self) -> str:
        """Deliver the dead letter that was sent last."""
        letter = self.sidecar.records[-1][1]
        return str(self.call(lambda: deliver(self.client, letter, route="/dead-letters")))

    def get(self, path: str, **parameters: str) -> dict[str, Any]:
        """Ask for JSON."""
        answer: dict[str, Any] = self.call(lambda: self.client.get(path, params=parameters)).json()
        return answer


@asynccontextmanager
async def _serving(server: PostgresServer, encoding: str) -> AsyncIterator[tuple[httpx.AsyncClient, StandInSidecar]]:
    """An agent that is ready, on a database of this encoding."""
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(new_database(server, encoding))
        sidecar, broker = StandInSidecar(), StandInBroker()
        for stand_in in (sidecar, broker):
            await stand_in.start()
            stack.push_async_callback(stand_in.stop)
        client = await stack.enter_async_context(running(create_app(_settings(server, name, sidecar, broker))))
        await until_ready(client)
        yield client, sidecar


def _settings(server: PostgresServer, database: str, sidecar: StandInSidecar, broker: StandInBroker) -> Settings:
    return Settings(
        app_api_token=SecretStr(APP_TOKEN),
        dapr_http_port=sidecar.port,
        postgres_host="127.0.0.1",
        postgres_port=server.port,
        postgres_user="postgres",
        postgres_password=SecretStr(PASSWORD),
        postgres_database=database,
        kafka_brokers=f"127.0.0.1:{broker.port}",
        # so long that a busy machine is never taken for a database that is away: what is delivered here has one answer
        database_timeout_seconds=30.0,
        check_timeout_seconds=30.0,
    )


@contextmanager
def in_thread(server: PostgresServer, encoding: str = "UTF8") -> Iterator[Agent]:
    """Run an agent on a database of this encoding, in a thread of its own."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_serving(server, encoding)) as (client, sidecar),
    ):
        yield Agent(portal, client, sidecar)
