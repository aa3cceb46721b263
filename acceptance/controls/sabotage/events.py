"""Events that go astray."""

import json
from uuid import uuid4

from .exchange import Answer, Exchange
from .readiness import ready_always


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


async def drops_what_has_to_wait(exchange: Exchange) -> Answer:
    """A handler that gives an event up when a dependency is away."""
    status, body = await exchange.inner()
    if exchange.call == ("POST", "subscribe") and body == {"status": "RETRY"}:
        body = {"status": "DROP"}
    return status, body
