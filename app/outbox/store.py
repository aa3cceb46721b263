"""The outbox: events that are durable in PostgreSQL before they are published."""

from asyncpg import Record

from app import SERVICE
from app.database.postgres import Database
from app.errors import ServiceError
from app.event.data import OWN_OTHER_ROW, EventData

PROCESSED = """
SELECT message = $4 AND metadata = $5::jsonb AS same_data FROM processed_events
WHERE id IN ($1, $2) AND (source IS NULL OR source = $3)
"""
QUEUED = "data->>'message' = $4 AND coalesce(data->'metadata', '{}')::jsonb = $5::jsonb AS same_data"
ADD = f"""
WITH processed AS ({PROCESSED}), queued AS (
    INSERT INTO outbox (id, key, data, digest, traceparent, tracestate, bytes)
    SELECT $1, $6, $7, $8, $9, $10, octet_length($7::json::text) WHERE NOT EXISTS (SELECT FROM processed)
    ON CONFLICT (id) DO UPDATE SET id = excluded.id
    RETURNING data
)
SELECT {QUEUED} FROM queued UNION ALL SELECT same_data FROM processed
"""  # noqa: S608 - made of the lines above
FIND = f"SELECT {QUEUED} FROM outbox WHERE id = $1 UNION ALL ({PROCESSED})"  # noqa: S608 - made of the lines above


async def add(database: Database, event_id: str, data: EventData, trace: dict[str, str]) -> None:
    """Queue an event, once however often it is asked for; 422 when the id has other data."""
    content = (data.metadata.key, data.canonical, data.digest, trace.get("traceparent"), trace.get("tracestate"))
    async with database.connection() as connection:
        rows = await connection.fetch(ADD, *_known_by(event_id, data), *content)
    _compare(rows)


async def check_id(database: Database, event_id: str, data: EventData, seconds: float) -> None:
    """Raise a 422 when an id is known with other data; look for it for this time at most."""
    async with database.connection(seconds) as connection:
        rows = await connection.fetch(FIND, *_known_by(event_id, data))
    _compare(rows)


def _known_by(event_id: str, data: EventData) -> tuple[str, ...]:
    return (event_id, OWN_OTHER_ROW + event_id, SERVICE, data.message, data.metadata_json)


def _compare(known: list[Record]) -> None:
    if not all(row["same_data"] for row in known):
        raise ServiceError(422, "Idempotency-Key: was used with another body; take a new key for another event")
