"""Runs the agent with its answers or its events tampered with, by a layer around the application.

Mounted into the agent's container and started instead of `python -m app`; the product knows nothing of it.
"""

import json
import os
import re
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import uuid4

from app import main
from app.__main__ import run

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, Any]

CHECKS = ("api", "database", "dapr", "pubsub", "statestore")
MARK = re.compile(rb'"amount":\s*7\s*[,}]')
STATE: dict[str, Any] = {}


class Exchange:
    """One request: its body, and the application to pass it on to."""

    def __init__(self, app: App, scope: Scope, body: bytes) -> None:
        self.app, self.scope, self.body = app, scope, body
        self.call = (scope["method"], scope["path"].strip("/").split("/")[0])

    async def inner(self, body: bytes | None = None) -> Answer:
        """What the real application answers."""
        answer: dict[str, Any] = {"status": 500, "body": b""}

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": self.body if body is None else body}

        async def send(message: MutableMapping[str, Any]) -> None:
            answer["status"] = message.get("status", answer["status"])
            answer["body"] += message.get("body", b"")

        length = str(len(self.body if body is None else body)).encode()
        headers = [(b"content-length", length), *(one for one in self.scope["headers"] if one[0] != b"content-length")]
        await self.app({**self.scope, "headers": headers}, receive, send)
        return answer["status"], json.loads(answer["body"] or b"null")

    @property
    def is_marked(self) -> bool:
        """Whether this is the delivery of the one event that is tampered with: amount 7."""
        return self.call == ("POST", "subscribe") and bool(MARK.search(self.body))


async def health_in_other_words(exchange: Exchange) -> Answer:
    """Healthy, but not as documented."""
    return (200, {"state": "up"}) if exchange.call == ("GET", "health") else await exchange.inner()


async def ready_without_pubsub(exchange: Exchange) -> Answer:
    """A readiness that does not look at Kafka."""
    status, body = await exchange.inner()
    if exchange.call == ("GET", "ready"):
        body.get("checks", {}).pop("pubsub", None)
    return status, body


async def ready_always(exchange: Exchange) -> Answer:
    """A readiness that looks at nothing."""
    if exchange.call != ("GET", "ready"):
        return await exchange.inner()
    return 200, {"status": "ready", "checks": {name: {"status": "ok"} for name in CHECKS}}


async def query_that_invents(exchange: Exchange) -> Answer:
    """A query that never reaches PostgreSQL."""
    if exchange.call != ("GET", "db"):
        return await exchange.inner()
    return 200, {"status": "ok", "postgres_version": "PostgreSQL 17.0", "table_count": 1}


async def state_in_memory(exchange: Exchange) -> Answer:
    """State that dies with the pod."""
    method, route = exchange.call
    if route != "state":
        return await exchange.inner()
    if method == "POST":
        saved = json.loads(exchange.body)
        STATE[saved["key"]] = saved["value"]
        return 200, {"status": "saved", "key": saved["key"]}
    key = exchange.scope["path"].rpartition("/")[2]
    if method == "DELETE":
        STATE.pop(key, None)
        return 200, {"status": "deleted", "key": key}
    return (200, {"key": key, "value": STATE[key]}) if key in STATE else (404, {"title": "Not Found"})


async def publish_nowhere(exchange: Exchange) -> Answer:
    """A publish that promises and does nothing."""
    if exchange.call != ("POST", "publish"):
        return await exchange.inner()
    message = json.loads(exchange.body)["message"]
    return 200, {"status": "published", "topic": "agent-events", "message": message, "id": str(uuid4())}


async def subscribes_elsewhere(exchange: Exchange) -> Answer:
    """A subscription to a topic that nobody writes to, and a readiness that does not look."""
    status, body = await ready_always(exchange)
    if exchange.call == ("GET", "dapr"):
        body = [{**one, "topic": f"{one['topic']}-of-old"} for one in body]
    return status, body


async def loses_an_event(exchange: Exchange) -> Answer:
    """A handler that confirms an event without applying it."""
    return (200, {"status": "SUCCESS"}) if exchange.is_marked else await exchange.inner()


async def repeats_an_event(exchange: Exchange) -> Answer:
    """A handler that applies an event twice, so that no check of ids can tell."""
    if exchange.is_marked:
        event = json.loads(exchange.body)
        await exchange.inner(json.dumps({**event, "id": str(uuid4())}).encode())
    return await exchange.inner()


SABOTAGES: dict[str, Callable[[Exchange], Awaitable[Answer]]] = {
    one.__name__.replace("_", "-"): one
    for one in (
        health_in_other_words,
        ready_without_pubsub,
        ready_always,
        query_that_invents,
        state_in_memory,
        publish_nowhere,
        subscribes_elsewhere,
        loses_an_event,
        repeats_an_event,
    )
}


class Layer:
    """The tampering, around every request."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._sabotage = SABOTAGES[os.environ["SABOTAGE"]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, tampered with."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        status, answer = await self._sabotage(Exchange(self._app, scope, body))
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


if __name__ == "__main__":
    create = main.create_app

    def tampered(*arguments: Any) -> Any:
        """The application with the layer around it."""
        app = create(*arguments)
        app.add_middleware(Layer)
        return app

    main.create_app = tampered  # type: ignore[assignment]  # the whole point
    run(sys.argv[1:])
