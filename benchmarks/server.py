"""`python -m benchmarks.server VARIANT PORT`: one variant of the agent, which also tells its own CPU time at `/cpu`."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from app import logs, main
from app.config import ServiceSettings
from app.database.postgres import Database
from app.server.protocol import Protocol
from app.sidecar.api import Entry, Sidecar

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

ANSWERS = {"/ready": {"status": "ready"}, "/subscribe": {"status": "SUCCESS"}, "/publish": {"status": "published"}}


class SidecarPerCall(Sidecar):
    """The product's client of the sidecar, but one for each publish."""

    def __init__(self, settings: ServiceSettings) -> None:
        super().__init__(settings)
        self._made_of = settings

    async def publish(self, *arguments: Any, **named: Any) -> None:
        """Publish over a session of its own."""
        async with Sidecar(self._made_of) as one:
            await one.publish(*arguments, **named)

    async def publish_all(self, topic: str, entries: Sequence[Entry]) -> None:
        """Publish each over a session of its own."""
        await asyncio.gather(*(self.publish(topic, record, key) for _, key, record in entries))


class DatabasePerCall(Database):
    """The product's database, but with a connection of its own for each use."""

    @asynccontextmanager
    async def connection(self, seconds: float | None = None) -> "AsyncIterator[PoolConnectionProxy]":
        """Lend a new connection."""
        async with Database(self._settings) as one, one.connection(seconds) as connection:
            yield connection


def product() -> ASGIApp:
    """The agent as it is."""
    return main.create_app()


def without_fast_path() -> ASGIApp:
    """The agent, every delivery read by the parser and answered by its route."""
    vars(main).update(FastPath=lambda *_: None)
    return main.create_app()


def one_client_per_call() -> ASGIApp:
    """The agent with a new client for each call to the sidecar and to PostgreSQL."""
    vars(main).update(Sidecar=SidecarPerCall, Database=DatabasePerCall)
    return main.create_app()


def bare() -> ASGIApp:
    """An application that reads the body and answers what the agent would: the floor of any."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
        else:
            while (await receive()).get("more_body"):
                pass
            await respond(send, ANSWERS[scope["path"]])

    return answer


def telling_cpu(app: ASGIApp) -> ASGIApp:
    """Answer `/cpu` with the seconds of CPU that this process has used, user and system."""

    async def told(scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("path") == "/cpu":
            await respond(send, time.process_time())
        else:
            await app(scope, receive, send)

    return told


async def respond(send: Send, answer: object) -> None:
    """Answer 200 with this JSON."""
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


VARIANTS: dict[str, Callable[[], ASGIApp]] = {
    "product": product,
    "without fast path": without_fast_path,
    "bare ASGI": bare,
    "one client per call": one_client_per_call,
}

if __name__ == "__main__":
    logs.configure()
    served = telling_cpu(VARIANTS[sys.argv[1]]())
    uvicorn.run(served, port=int(sys.argv[2]), log_config=None, access_log=False, proxy_headers=False, http=Protocol)
