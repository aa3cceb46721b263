"""Events that go astray."""

import asyncio
import json
from uuid import uuid4

from app.consume import effects
from app.sidecar.subscription import Subscription

from .exchange import Answer, Exchange
from .readiness import ready_always

GUARD = "deliveries = 1"
SUCCESS, RETRY = (200, {"status": "SUCCESS"}), (200, {"status": "RETRY"})
pending: set[asyncio.Task[Answer]] = set()
remembered: set[str] = set()


async def subscribes_elsewhere(exchange: Exchange) -> Answer:
    """A subscription to a topic that nobody writes to, and a readiness that does not look."""
    status, body = await ready_always(exchange)
    if exchange.call == ("GET", "dapr"):
        body = [{**one, "topic": f"{one['topic']}-of-old"} for one in body]
    return status, body


async def loses_an_event(exchange: Exchange) -> Answer:
    """A handler that confirms an event without applying it."""
    return SUCCESS if exchange.is_marked else await exchange.inner()


async def repeats_an_event(exchange: Exchange) -> Answer:
    """A handler that applies an event twice, so that no check of ids can tell."""
    if exchange.is_marked:
        event = json.loads(exchange.record)
        await exchange.inner(json.dumps({**event, "id": str(uuid4())}).encode())
    return await exchange.inner()


async def applies_every_delivery(exchange: Exchange) -> Answer:
    """A handler whose statement lost its guard: what is delivered again is applied again."""
    if exchange.is_delivery:
        exchange.tamper(effects, "APPLY", effects.APPLY.replace(GUARD, "true"))
    return await exchange.inner()


async def remembers_until_it_ends(exchange: Exchange) -> Answer:
    """A handler that knows in its memory alone what it has applied."""
    if not exchange.is_delivery:
        return await exchange.inner()
    event_id = json.loads(exchange.record)["id"]
    if event_id in remembered:
        return SUCCESS
    remembered.add(event_id)
    return await applies_every_delivery(exchange)


async def overtakes_an_event(exchange: Exchange) -> Answer:
    """A handler that sets an event aside, and takes those behind it first."""
    if not exchange.is_marked:
        return await exchange.inner()
    return await confirms_too_early(exchange)


async def confirms_too_early(exchange: Exchange) -> Answer:
    """A handler that confirms an event first and applies it a second later, the marked one after three."""
    if not exchange.is_delivery:
        return await exchange.inner()
    return later(exchange, 3 if exchange.is_marked else 1)


async def retries_for_ever(exchange: Exchange) -> Answer:
    """A handler that wants to see again what it will never understand."""
    return RETRY if cannot_be_understood(exchange) else await exchange.inner()


async def gives_up_late(exchange: Exchange) -> Answer:
    """A handler that confirms what it will never understand, and puts it on record when it has the time."""
    return later(exchange, 20) if cannot_be_understood(exchange) else await exchange.inner()


async def subscribes_at_once(exchange: Exchange) -> Answer:
    """A readiness for events that the sidecar may take back before it has unsubscribed, and never sees that happen."""
    exchange.tamper(Subscription, "is_due", lambda _, __, *, fit: fit)
    return await exchange.inner()


def later(exchange: Exchange, seconds: float) -> Answer:
    """Confirm a delivery, and handle it after a while."""

    async def handle() -> Answer:
        await asyncio.sleep(seconds)
        return await exchange.inner()

    pending.add(task := asyncio.create_task(handle()))
    task.add_done_callback(pending.discard)
    return SUCCESS


def cannot_be_understood(exchange: Exchange) -> bool:
    """Whether this is the delivery of something that is no JSON."""
    try:
        if exchange.is_delivery:
            json.loads(exchange.record)
    except ValueError:
        return True
    return False


async def drops_what_has_to_wait(exchange: Exchange) -> Answer:
    """A handler that gives an event up when a dependency is away."""
    status, body = await exchange.inner()
    if exchange.is_delivery and body == {"status": "RETRY"}:
        body = {"status": "DROP"}
    return status, body
