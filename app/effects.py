"""The effect of an event on the database; DependencyUnavailableError from every function while that is away."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from asyncpg import Record

from app.database import Database
from app.delivery import Delivery, IndigestibleError

# One statement is one transaction and one round trip: only the delivery that inserts the id has an effect.
APPLY = """
WITH delivered AS (
    INSERT INTO processed_events AS processed (id, key, message, metadata, "partition", "offset", digest)
    VALUES ($1, $2, $3, $4, $6, $7, $8)
    ON CONFLICT (id) DO UPDATE SET
        deliveries = processed.deliveries + (processed.digest = excluded.digest)::integer
    RETURNING deliveries, digest = $8 AS same_data
), effect AS (
    INSERT INTO effects (event_id, key, amount) SELECT $1, $2, $5 FROM delivered WHERE deliveries = 1 AND same_data
), total AS (
    INSERT INTO totals (key, count, amount) SELECT $2, 1, $5 FROM delivered WHERE deliveries = 1 AND same_data
    ON CONFLICT (key) DO UPDATE SET count = totals.count + 1, amount = totals.amount + excluded.amount
)
SELECT deliveries, same_data FROM delivered
"""
RECORD_FAILURE = """
INSERT INTO failed_events AS failed (id, digest, reason, "partition", "offset") VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id, digest) DO UPDATE SET
    attempts = failed.attempts + (failed.dead_lettered_at IS NULL)::integer,
    reason = excluded.reason, last_failed_at = excluded.last_failed_at
RETURNING attempts, first_failed_at, dead_lettered_at IS NOT NULL AS dead_lettered
"""
END_FAILURE = "UPDATE failed_events SET dead_lettered_at = clock_timestamp() WHERE id = $1 AND digest = $2"
FORGET_FAILURES = "DELETE FROM failed_events WHERE id = $1 AND dead_lettered_at IS NOT NULL"
EVENTS = """
SELECT id, key, message, metadata, 'applied' AS status, deliveries AS attempts, "partition", "offset", applied_at
FROM processed_events
"""
EVENT = EVENTS + "WHERE id = $1"
EVENTS_OF_KEY = EVENTS + "WHERE key = $1 ORDER BY applied_at DESC LIMIT 100"
FAILED_EVENT = """
SELECT id, NULL AS key, NULL AS message, NULL AS metadata,
    CASE WHEN dead_lettered_at IS NULL THEN 'failing' ELSE 'dead-lettered' END AS status, reason, attempts,
    "partition", "offset", NULL AS applied_at, dead_lettered_at
FROM failed_events WHERE id = $1 ORDER BY last_failed_at DESC LIMIT 1
"""
QUEUED_EVENT = """
SELECT id, key, data->>'message' AS message, coalesce(data->'metadata', '{}') AS metadata,
    CASE WHEN published_at IS NULL THEN 'queued' ELSE 'published' END AS status, 0 AS attempts,
    NULL AS "partition", NULL AS "offset", NULL AS applied_at, created_at, published_at
FROM outbox WHERE id = $1
"""
TOTALS = "SELECT count, amount FROM totals WHERE key = $1"


class Failure(NamedTuple):
    """What is known about an event whose handling failed."""

    attempts: int
    first_failed_at: datetime
    dead_lettered: bool


async def apply(database: Database, delivery: Delivery) -> bool:
    """Apply a delivered event; False when an earlier delivery did.

    IndigestibleError when it cannot be applied, also when its id was applied with other data.
    """
    data = delivery.data
    metadata = json.dumps(data.content.get("metadata", {}))
    amount = Decimal(str(data.metadata.amount))
    position = (delivery.partition, delivery.offset)
    async with database.connection() as connection:
        (row,) = await connection.fetch(
            APPLY, delivery.id, data.metadata.key, data.message, metadata, amount, *position, data.digest
        )
    if not row["same_data"]:
        raise IndigestibleError(f"key reused: {delivery.id} was applied with other data")
    return bool(row["deliveries"] == 1)


async def record_failure(database: Database, delivery: Delivery, reason: str) -> Failure:
    """Count a failed attempt."""
    position = (delivery.partition, delivery.offset)
    async with database.connection() as connection:
        (row,) = await connection.fetch(RECORD_FAILURE, delivery.id, delivery.digest, reason, *position)
    return Failure(**row)


async def end_failure(database: Database, delivery: Delivery) -> None:
    """Note that a failed event is in the dead letter topic and has no attempts left."""
    async with database.connection() as connection:
        await connection.execute(END_FAILURE, delivery.id, delivery.digest)


async def forget_failures(database: Database, event_id: str) -> None:
    """Give a dead-lettered event all its attempts again."""
    async with database.connection() as connection:
        await connection.execute(FORGET_FAILURES, event_id)


async def find(database: Database, event_id: str) -> dict[str, Any] | None:
    """Find what was made of an event; None when it was never seen."""
    async with database.connection() as connection:
        # in the order of its life, so that one which moves on meanwhile is not missed
        rows = [await connection.fetchrow(query, event_id) for query in (QUEUED_EVENT, FAILED_EVENT, EVENT)]
    found = [row for row in rows if row is not None]
    return _shown(found[-1]) if found else None


async def find_by_key(database: Database, key: str) -> dict[str, Any]:
    """Find a key's totals and its last 100 events, the latest first."""
    async with database.connection() as connection:
        totals = await connection.fetchrow(TOTALS, key)
        rows = await connection.fetch(EVENTS_OF_KEY, key)
    return {
        "key": key,
        "totals": {"count": totals["count"], "amount": _plain(totals["amount"])}
        if totals
        else {"count": 0, "amount": 0},
        "events": [_shown(row) for row in rows],
    }


def _shown(row: Record) -> dict[str, Any]:
    return {**row, "metadata": json.loads(row["metadata"] or "null")}


def _plain(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
