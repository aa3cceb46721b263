"""The version before this one, 0.1.0 of commit 6f3a986: its statements word by word, and how it called them."""

import json
from decimal import Decimal
from hashlib import sha256
from typing import Any

import asyncpg

SCHEMA_SHA256 = "9a3f6d2a251c1d6e1dfa643da68c6fa566bd6a58cfd2c9a7579b6ae6a4e95f06"
"""Of app/schema.sql."""
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
ADD = """
WITH processed AS (
    SELECT digest FROM processed_events WHERE id = $1
), queued AS (
    INSERT INTO outbox (id, key, data, digest) SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM processed)
    ON CONFLICT (id) DO UPDATE SET id = excluded.id
    RETURNING digest
)
SELECT digest FROM queued UNION ALL SELECT digest FROM processed
"""
PURGE = """
WITH seen AS (
    SELECT number, id FROM outbox WHERE published_at IS NOT NULL AND number > $1 ORDER BY number LIMIT $2
), purged AS (
    DELETE FROM outbox USING seen WHERE outbox.id = seen.id AND (
        EXISTS (SELECT FROM processed_events AS processed WHERE processed.id = outbox.id)
        OR EXISTS (
            SELECT FROM failed_events AS failed
            WHERE failed.id = outbox.id AND failed.digest = outbox.digest AND failed.dead_lettered_at IS NOT NULL
        )
    )
)
SELECT CASE WHEN count(*) = $2 THEN max(number) ELSE 0 END FROM seen
"""
NEXT = """
WITH RECURSIVE heads AS (
    (SELECT id, key, 1 AS place FROM outbox WHERE published_at IS NULL AND key > $1 ORDER BY key, number LIMIT 1)
    UNION ALL
    SELECT next.id, next.key, heads.place + 1 FROM heads, LATERAL (
        SELECT id, key FROM outbox WHERE published_at IS NULL AND key > heads.key ORDER BY key, number LIMIT 1
    ) AS next WHERE heads.place < $2
), chosen AS (
    SELECT id, place FROM heads
    UNION ALL
    (SELECT id, 0 FROM outbox WHERE published_at IS NULL AND key = '' ORDER BY number LIMIT $2)
)
SELECT id, key, data, place FROM chosen JOIN outbox USING (id) ORDER BY number
"""
MARK = "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1::text[])"


def digest(data: dict[str, Any]) -> bytes:
    """What it told data apart by."""
    return sha256(json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()).digest()


async def apply(connection: asyncpg.Connection, event: dict[str, Any]) -> tuple[int, bool]:
    """Apply an event; how often it came, and whether with the same data."""
    data = event["data"]
    metadata = data.get("metadata", {})
    amount = Decimal(str(metadata.get("amount", 0)))
    content = (metadata.get("key", ""), data["message"], json.dumps(metadata), amount, 0, 0, digest(data))
    row = await connection.fetchrow(APPLY, event["id"], *content)
    assert row is not None
    return row["deliveries"], row["same_data"]


async def queue(connection: asyncpg.Connection, event_id: str, data: dict[str, Any]) -> None:
    """Queue an event."""
    canonical = json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    await connection.execute(ADD, event_id, data["metadata"]["key"], canonical, digest(data))


async def fail(connection: asyncpg.Connection, event: dict[str, Any]) -> None:
    """Record that an event was dead-lettered."""
    await connection.fetch(RECORD_FAILURE, event["id"], digest(event["data"]), "by the version before", 0, 0)
    await connection.execute(END_FAILURE, event["id"], digest(event["data"]))


async def take_turn(connection: asyncpg.Connection) -> list[str]:
    """Do what its relay does in a turn, and return the ids it publishes."""
    await connection.fetchval(PURGE, 0, 1000)
    ids = [row["id"] for row in await connection.fetch(NEXT, "", 200)]
    await connection.execute(MARK, ids)
    return ids
