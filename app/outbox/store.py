"""The table of the outbox: events that are durable in PostgreSQL before they are published.

DependencyUnavailableError from every function that is given a Database while that is away.
"""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

from asyncpg import Record

from app import SERVICE
from app.database.postgres import Database
from app.errors import ServiceError
from app.event.data import OWN_OTHER_ROW, EventData

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

MAX_DOUBLINGS = 20
# One statement for as many events as there are, no id twice among them. What was applied already is not queued again;
# what is known, under the id or under the other row's, has to have the same data. Rows are
# locked in one order: two replicas may hold each other up, but not for ever.
ADD = """
WITH given AS MATERIALIZED (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::text[]
    ) WITH ORDINALITY AS given ("row", other, message, metadata, key, data, digest, traceparent, tracestate, place)
), processed AS (
    SELECT place, known.message = given.message AND known.metadata = given.metadata::jsonb AS same_data
    FROM given, LATERAL (
        SELECT message, metadata FROM processed_events WHERE id IN ("row", other) AND (source IS NULL OR source = $10)
    ) AS known
), queued AS (
    INSERT INTO outbox (id, key, data, digest, traceparent, tracestate, bytes)
    SELECT "row", key, data::json, digest, traceparent, tracestate, octet_length(data) FROM given
    WHERE place NOT IN (SELECT place FROM processed) ORDER BY "row"
    ON CONFLICT (id) DO UPDATE SET id = excluded.id
    RETURNING id AS "row", data AS kept
), known AS (
    SELECT place, kept->>'message' = message AND coalesce(kept->'metadata', '{}')::jsonb = metadata::jsonb AS same_data
    FROM given JOIN queued USING ("row")
    UNION ALL
    SELECT place, same_data FROM processed
)
SELECT bool_and(same_data) AS same_data FROM known GROUP BY place ORDER BY place
"""
FIND = """
SELECT data->>'message' = $4 AND coalesce(data->'metadata', '{}')::jsonb = $5::jsonb AS same_data
FROM outbox WHERE id = $1
UNION ALL
SELECT message = $4 AND metadata = $5::jsonb FROM processed_events
WHERE id IN ($1, $2) AND (source IS NULL OR source = $3)
"""
# bounded: what Kafka has and nobody applies may be many; an array, unlike a join, is looked up row by row. What is not
# applied after some time Kafka may have lost, so it waits to be published again, after twice that time once more, ...
SETTLE = """
WITH seen AS (
    SELECT number, id, data, digest, created_at FROM outbox WHERE published_at IS NOT NULL AND number > $1
    ORDER BY number LIMIT $2
), settled AS (
    SELECT id FROM seen WHERE EXISTS (
        SELECT FROM processed_events AS processed
        WHERE processed.id IN (seen.id, $3 || seen.id) AND (processed.source IS NULL OR processed.source = $4)
            AND processed.message = seen.data->>'message'
            AND processed.metadata = coalesce(seen.data->'metadata', '{}')::jsonb
    ) OR EXISTS (
        SELECT FROM failed_events AS failed
        WHERE failed.id = seen.id AND failed.digest = seen.digest AND failed.dead_lettered_at > seen.created_at
    )
), purged AS (
    DELETE FROM outbox WHERE id = ANY(ARRAY(SELECT id FROM settled))
), resent AS (
    UPDATE outbox SET published_at = NULL, resent = resent + 1
    WHERE id = ANY(ARRAY(SELECT id FROM seen WHERE id NOT IN (SELECT id FROM settled)))
        AND published_at < clock_timestamp() - make_interval(secs => $5 * 2.0 ^ least(resent, $6))
    RETURNING id
)
SELECT CASE WHEN count(*) = $2 THEN max(number) ELSE 0 END AS last, (SELECT count(*) FROM settled) AS settled,
    coalesce((SELECT array_agg(id) FROM resent), '{}') AS resent
FROM seen
"""
# one event of a key at a time: of a batch that fails, daprd may have published a later event and not an earlier one;
# from key to key over the index: however many wait, a turn costs the same and a key with many of them delays no other;
# measured before it is read: the first event, and what fits behind it
NEXT = """
WITH RECURSIVE heads AS (
    (SELECT id, key, 1 AS place FROM outbox WHERE published_at IS NULL AND key > $1 ORDER BY key, number LIMIT 1)
    UNION ALL
    SELECT next.id, next.key, heads.place + 1 FROM heads, LATERAL (
        SELECT id, key FROM outbox WHERE published_at IS NULL AND key > heads.key ORDER BY key, number LIMIT 1
    ) AS next WHERE heads.place < $2
), chosen AS (
    SELECT id FROM heads WHERE id <> ALL($3::text[])
    UNION ALL
    (SELECT id FROM outbox WHERE published_at IS NULL AND key = '' AND id <> ALL($3::text[]) ORDER BY number LIMIT $2)
), measured AS (
    SELECT id, number, sum(coalesce(bytes, octet_length(data::text))) OVER (ORDER BY number) AS total,
        row_number() OVER (ORDER BY number) AS place
    FROM chosen JOIN outbox USING (id)
)
SELECT id, key, data, created_at, traceparent, tracestate, heads.last_key
FROM (SELECT max(key) FILTER (WHERE place = $2) AS last_key FROM heads) AS heads
LEFT JOIN (measured JOIN outbox USING (id, number)) ON total <= $4 OR measured.place = 1
ORDER BY number
"""
MARK = "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1::text[])"


class Entry(NamedTuple):
    """One event, as ADD takes it."""

    row: str
    """Its id."""
    other: str
    """The id of its row where another source used its id first."""
    message: str
    metadata: str
    key: str
    data: str
    digest: bytes
    traceparent: str | None
    tracestate: str | None

    @classmethod
    def of(cls, event_id: str, data: EventData, trace: dict[str, str]) -> Self:
        """Make the entry of an event, and of the trace it was published in."""
        content = (data.message, data.metadata_json, data.metadata.key, data.canonical, data.digest)
        return cls(event_id, OWN_OTHER_ROW + event_id, *content, trace.get("traceparent"), trace.get("tracestate"))

    @property
    def characters(self) -> int:
        """How long its texts are, which are there twice."""
        return 2 * len(self.data)


class Settled(NamedTuple):
    """What came of a look at events that Kafka has."""

    last: int
    """The number behind which to look next, 0 to begin anew."""
    settled: int
    """How many are gone."""
    resent: list[str]
    """Ids of those to be published again."""


async def add(database: Database, entries: Sequence[Entry]) -> list[Record]:
    """Queue events in one transaction, no id twice among them; each is queued once, however often it is asked for."""
    async with database.connection() as connection:
        rows: list[Record] = await connection.fetch(ADD, *map(list, zip(*entries, strict=True)), SERVICE)
    return rows


async def check_id(database: Database, event_id: str, data: EventData, seconds: float) -> None:
    """Raise a 422 when an id is known with other data; look for it for this time at most."""
    known_by = (event_id, OWN_OTHER_ROW + event_id, SERVICE, data.message, data.metadata_json)
    async with database.connection(seconds) as connection:
        rows = await connection.fetch(FIND, *known_by)
    require_same(rows)


def require_same(known: Sequence[Record]) -> None:
    """Raise a 422 when what is known under an id has other data."""
    if not all(row["same_data"] for row in known):
        raise ServiceError(422, "Idempotency-Key: was used with another body; take a new key for another event")


async def next_batch(
    connection: "PoolConnectionProxy", last_key: str, most: int, aside: Collection[str], most_bytes: int
) -> tuple[list[Record], str]:
    """Read what may be published together, and the key behind which the next batch begins, empty to begin anew.

    At most so many events with a key and as many without, of so many bytes unless it is one, none of those aside.
    """
    rows = await connection.fetch(NEXT, last_key, most, aside, most_bytes)
    return [row for row in rows if row["id"] is not None], rows[0]["last_key"] or ""


async def mark(connection: "PoolConnectionProxy", event_ids: Sequence[str]) -> None:
    """Note that Kafka has events."""
    await connection.execute(MARK, event_ids)


async def settle(connection: "PoolConnectionProxy", last: int, most: int, resend_seconds: float) -> Settled:
    """Let go of what was applied or dead-lettered, and have what is missing for so long published again.

    Looks at so many events behind the last one.
    """
    limits = (last, most, OWN_OTHER_ROW, SERVICE, resend_seconds, MAX_DOUBLINGS)
    (row,) = await connection.fetch(SETTLE, *limits)
    return Settled(**row)
