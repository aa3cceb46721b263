"""The effect of an event on the database; DependencyUnavailableError from every function while that is away."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from app import SERVICE
from app.database import Database
from app.delivery import Delivery, IndigestibleError
from app.encoding import UnstorableTextError, escaped, unstorable
from app.events import other_row

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

# One statement is one transaction and one round trip: only the delivery that inserts the row has an effect.
# Data are the same when their values are. A row without source, of the version before, is our own event's, whatever its
# data, and another source's event where the data are the same: that came again.
APPLY = """
WITH delivered AS (
    INSERT INTO processed_events AS processed (id, source, key, message, metadata, "partition", "offset", digest)
    VALUES ($1, $3, $5, $6, $7, $9, $10, $11)
    ON CONFLICT (id) DO UPDATE SET deliveries = processed.deliveries + (
        coalesce(processed.source = excluded.source, true)
        AND processed.message = excluded.message AND processed.metadata = excluded.metadata
    )::integer, redelivered = CASE WHEN excluded."partition" IS NULL THEN processed.redelivered
        ELSE coalesce(processed.redelivered, '{}') || jsonb_build_object(excluded."partition", excluded."offset") END
    RETURNING deliveries, source, message = $6 AND metadata = $7 AS same_data
), judged AS (
    SELECT deliveries, same_data, coalesce(source = $3, $4::boolean OR same_data) AS mine FROM delivered
), effect AS (
    INSERT INTO effects (event_id, source, key, amount)
    SELECT $2, $3, $5, $8 FROM judged WHERE deliveries = 1 AND mine AND same_data
), total AS (
    INSERT INTO totals (key, count, amount)
    SELECT $5, 1, $8 FROM judged WHERE deliveries = 1 AND mine AND same_data
    ON CONFLICT (key) DO UPDATE SET count = totals.count + 1, amount = totals.amount + excluded.amount
)
SELECT deliveries, mine, same_data FROM judged
"""
RECORD_FAILURE = """
INSERT INTO failed_events AS failed (id, digest, reason, "partition", "offset", source) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (id, digest) DO UPDATE SET
    attempts = failed.attempts + (failed.dead_lettered_at IS NULL)::integer,
    reason = excluded.reason, last_failed_at = excluded.last_failed_at
RETURNING attempts, first_failed_at, dead_lettered_at IS NOT NULL AS dead_lettered
"""
END_FAILURE = "UPDATE failed_events SET dead_lettered_at = clock_timestamp() WHERE id = $1 AND digest = $2"
RESTORE_ATTEMPTS = "UPDATE failed_events SET attempts = 0, dead_lettered_at = NULL WHERE id = $1 AND digest = $2"
MAX_REASON = 1000


class Failure(NamedTuple):
    """What is known about an event whose handling failed."""

    reason: str
    attempts: int
    first_failed_at: datetime
    dead_lettered: bool


async def apply(database: Database, delivery: Delivery) -> bool:
    """Apply a delivered event; False when an earlier delivery did.

    IndigestibleError when it cannot be applied, also when its id was applied with other data.
    """
    data, source = delivery.data, delivery.source or ""
    names = {"id": delivery.id, "source": source}
    if found := unstorable(database.encoding, names | data.texts):
        raise IndigestibleError(f"{found.field}: {found.message}")
    amount = Decimal(str(data.metadata.amount))
    position = (delivery.partition, delivery.offset)
    content = (data.metadata.key, data.message, data.metadata_json, amount, *position, data.digest)
    event = (delivery.id, source, source == SERVICE, *content)
    try:
        async with database.connection() as connection:
            (row,) = await connection.fetch(APPLY, delivery.id, *event)
            if not row["mine"]:
                (row,) = await connection.fetch(APPLY, other_row(source, delivery.id), *event)
    except UnstorableTextError as error:
        raise IndigestibleError(error.detail) from error
    if not row["same_data"]:
        raise IndigestibleError(f"key reused: {delivery.id} was applied with other data")
    return bool(row["deliveries"] == 1)


async def record_failure(database: Database, delivery: Delivery, reason: str) -> Failure:
    """Count a failed attempt, and keep why in a line of legible characters, as it is told everywhere."""
    reason = "".join(character if character.isprintable() else "?" for character in reason)[:MAX_REASON]
    async with database.connection() as connection:
        event_id, source, told = (
            text and escaped(database.encoding, text) for text in (delivery.id, delivery.source, reason)
        )
        position = (delivery.partition, delivery.offset)
        (row,) = await connection.fetch(RECORD_FAILURE, event_id, delivery.failure_digest, told, *position, source)
    return Failure(reason, **row)


async def end_failure(database: Database, delivery: Delivery) -> None:
    """Note that a failed event is in the dead letter topic and has no attempts left."""
    async with database.connection() as connection:
        await connection.execute(END_FAILURE, escaped(database.encoding, delivery.id), delivery.failure_digest)


async def restore_attempts(connection: "PoolConnectionProxy", encoding: str | None, delivery: Delivery) -> None:
    """Give what is delivered so all its attempts again, once the transaction ends; it stays known as failing."""
    await connection.execute(RESTORE_ATTEMPTS, escaped(encoding, delivery.id), delivery.failure_digest)
