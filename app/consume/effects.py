"""The effect of an event on the database; DependencyUnavailableError from every function while that is away."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from asyncpg import Record

from app import SERVICE
from app.database.encoding import UnstorableTextError, escaped, holds_any_text, unstorable
from app.database.postgres import Database
from app.event.data import other_row
from app.event.delivery import Delivery, IndigestibleError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

# One statement is one transaction and one round trip, for as many events as there are, no id twice among them: only the
# delivery that inserts the row has an effect. Data are the same when their values are. A row without source, of the
# version before, is our own event's, whatever its data, and another source's event where the data are the same: that
# came again. What is locked, is so in one order: batches of two replicas may hold each other up, but not for ever.
APPLY = """
WITH given AS MATERIALIZED (
    SELECT "row", id, source, own, key, message, metadata::jsonb AS metadata, amount, "partition", "offset", digest,
        place
    FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::boolean[], $5::text[], $6::text[], $7::text[], $8::numeric[],
        $9::integer[], $10::bigint[], $11::bytea[]
    ) WITH ORDINALITY
    AS given ("row", id, source, own, key, message, metadata, amount, "partition", "offset", digest, place)
), delivered AS (
    INSERT INTO processed_events AS processed (id, source, key, message, metadata, "partition", "offset", digest)
    SELECT "row", source, key, message, metadata, "partition", "offset", digest FROM given ORDER BY "row"
    ON CONFLICT (id) DO UPDATE SET deliveries = processed.deliveries + (
        coalesce(processed.source = excluded.source, true)
        AND processed.message = excluded.message AND processed.metadata = excluded.metadata
    )::integer, redelivered = CASE WHEN excluded."partition" IS NULL THEN processed.redelivered
        ELSE coalesce(processed.redelivered, '{}') || jsonb_build_object(excluded."partition", excluded."offset") END
    RETURNING id AS "row", deliveries, source AS known, message AS kept, metadata AS kept_metadata
), compared AS (
    SELECT *, kept = message AND kept_metadata = metadata AS same_data FROM given JOIN delivered USING ("row")
), judged AS (
    SELECT *, coalesce(known = source, own OR same_data) AS mine FROM compared
), fresh AS (
    SELECT * FROM judged WHERE deliveries = 1 AND mine AND same_data
), effect AS (
    INSERT INTO effects (event_id, source, key, amount) SELECT id, source, key, amount FROM fresh ORDER BY place
), total AS (
    INSERT INTO totals (key, count, amount) SELECT key, count(*), sum(amount) FROM fresh GROUP BY key ORDER BY key
    ON CONFLICT (key) DO UPDATE SET count = totals.count + excluded.count, amount = totals.amount + excluded.amount
)
SELECT deliveries, mine, same_data FROM judged ORDER BY place
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


class Change(NamedTuple):
    """What one event changes, as APPLY takes it."""

    row: str
    """The id of its row, which is not the event's where another source used that first."""
    id: str
    source: str
    own: bool
    key: str
    message: str
    metadata: str
    amount: Decimal
    partition: int | None
    offset: int | None
    digest: bytes

    @property
    def characters(self) -> int:
        """How long its texts are."""
        return len(self.message) + len(self.metadata)


class Failure(NamedTuple):
    """What is known about an event whose handling failed."""

    reason: str
    attempts: int
    first_failed_at: datetime
    dead_lettered: bool


def change(delivery: Delivery, encoding: str | None) -> Change:
    """What a delivered event changes; IndigestibleError when it cannot be applied."""
    data, source = delivery.data, delivery.source or ""
    if not holds_any_text(encoding) and (
        found := unstorable(encoding, {"id": delivery.id, "source": source} | data.texts)
    ):
        raise IndigestibleError(f"{found.field}: {found.message}")
    content = (data.metadata.key, data.message, data.metadata_json, Decimal(str(data.metadata.amount)))
    position = (delivery.partition, delivery.offset)
    return Change(delivery.id, delivery.id, source, source == SERVICE, *content, *position, data.digest)


async def commit(database: Database, changes: Sequence[Change]) -> list[Record]:
    """Make changes in one transaction, no row twice among them, and say of each in its order what came of it.

    IndigestibleError when the server cannot hold some text.
    """
    try:
        async with database.connection() as connection:
            rows: list[Record] = await connection.fetch(APPLY, *map(list, zip(*changes, strict=True)))
    except UnstorableTextError as error:
        raise IndigestibleError(error.detail) from error
    return rows


async def apply(database: Database, change: Change) -> bool:
    """Make one change in a transaction of its own; False when an earlier delivery did.

    IndigestibleError when it cannot be made, also when its id was applied with other data.
    """
    (row,) = await commit(database, [change])
    return await conclude(database, change, row)


async def conclude(database: Database, change: Change, row: Record) -> bool:
    """Tell from what came of a change whether it had the effect; under an id of another source's it is made anew.

    IndigestibleError when its id was applied with other data.
    """
    if not row["mine"]:
        (row,) = await commit(database, [change._replace(row=other_row(change.source, change.id))])
    if not row["same_data"]:
        raise IndigestibleError(f"key reused: {change.id} was applied with other data")
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
