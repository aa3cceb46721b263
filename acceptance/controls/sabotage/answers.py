"""Answers that are made up."""

import asyncio
import json
from typing import Any
from uuid import uuid4

from app.guard import Guard
from app.health import Monitor

from .exchange import Answer, Exchange

REFUSED = 422
STATE: dict[str, Any] = {}
LATE_S = 5.5


async def health_in_other_words(exchange: Exchange) -> Answer:
    """Healthy, but not as documented."""
    return (200, {"state": "up"}) if exchange.call == ("GET", "health") else await exchange.inner()


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


async def queries_late(exchange: Exchange) -> Answer:
    """A query that takes longer than anybody was promised."""
    if exchange.call == ("GET", "db"):
        await asyncio.sleep(LATE_S)
    return await exchange.inner()


async def publishes_late(exchange: Exchange) -> Answer:
    """A publish that takes longer than anybody was promised."""
    if exchange.call == ("POST", "publish"):
        await asyncio.sleep(LATE_S)
    return await exchange.inner()


async def publishes_regardless(exchange: Exchange) -> Answer:
    """A publish that does not ask the checks first."""
    exchange.tamper(Monitor, "require", lambda *_: None)
    return await exchange.inner()


async def publishes_without_its_trace(exchange: Exchange) -> Answer:
    """A publish that does not look which trace it belongs to."""
    exchange.scope["headers"] = [one for one in exchange.scope["headers"] if one[0] != b"traceparent"]
    return await exchange.inner()


async def delivered_by_anybody(exchange: Exchange) -> Answer:
    """A delivery that is not asked who sends it."""
    exchange.tamper(Guard, "require_delivery", lambda *_: None)
    return await exchange.inner()


async def breaks_on_bad_input(exchange: Exchange) -> Answer:
    """A server error where input should be refused."""
    status, body = await exchange.inner()
    return (500, body) if status == REFUSED else (status, body)
