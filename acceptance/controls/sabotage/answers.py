"""Answers that are made up."""

import asyncio
import json
import os
from typing import Any
from uuid import uuid4

import asyncpg

from app.health.monitor import Monitor
from app.sidecar.api import Sidecar
from app.sidecar.guard import Guard

from .exchange import Answer, Exchange

REFUSED = 422
publish = Sidecar.publish
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


async def accepts_everything(exchange: Exchange) -> Answer:
    """Input that nobody looks at: what the application refuses is welcome."""
    status, body = await exchange.inner()
    return (200, {"status": "accepted"}) if status in {400, 413, REFUSED} else (status, body)


async def hides_what_is_away(exchange: Exchange) -> Answer:
    """A server error, at once, where a dependency should be named."""
    status, body = await exchange.inner()
    hides = status == 503 and exchange.call[1] in {"publish", "state", "db"}
    return (500, {"title": "Internal Server Error", "status": 500, "detail": "unexpected"}) if hides else (status, body)


async def publishes_twice(exchange: Exchange) -> Answer:
    """A publish that sends its record a second time."""
    if exchange.call == ("POST", "publish"):
        exchange.tamper(Sidecar, "publish", _publish_twice)
    return await exchange.inner()


async def _publish_twice(self: Sidecar, *arguments: Any) -> None:
    for _ in range(2):
        await publish(self, *arguments)


async def reads_state_without_dapr(exchange: Exchange) -> Answer:
    """A read of what is saved straight from the table of the state store."""
    exchange.tamper(Sidecar, "get_state", _read_state)
    return await exchange.inner()


async def _read_state(_: Sidecar, key: str) -> tuple[bool, Any]:
    connection = await asyncpg.connect(
        host=os.environ["POSTGRES_HOST"],
        user=os.environ["POSTGRES_USER"],
        password=os.environ["POSTGRES_PASSWORD"],
        database=os.environ["POSTGRES_DATABASE"],
        timeout=1,
    )
    try:
        row = await connection.fetchrow("SELECT value FROM agent_state WHERE key = $1", f"fastapi-dapr-agent||{key}")
    finally:
        await connection.close()
    return (True, json.loads(row["value"])) if row else (False, None)


async def breaks_on_bad_input(exchange: Exchange) -> Answer:
    """A server error where input should be refused."""
    status, body = await exchange.inner()
    return (500, body) if status == REFUSED else (status, body)
