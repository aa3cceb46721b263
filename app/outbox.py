"""The outbox: events that are durable in PostgreSQL before they are published."""

from asyncpg import Record

from app.database import Database
from app.errors import ServiceError
from app.events import EventData

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
FIND = "SELECT digest FROM outbox WHERE id = $1 UNION ALL SELECT digest FROM processed_events WHERE id = $1"


async def add(database: Database, event_id: str, data: EventData) -> None:
    """Queue an event, once however often it is asked for; 422 when the id has other data."""
    async with database.connection() as connection:
        rows = await connection.fetch(ADD, event_id, data.metadata.key, data.canonical, data.digest)
    _compare(rows, data)


async def check_id(database: Database, event_id: str, data: EventData, seconds: float) -> None:
    """Raise a 422 when an id is known with other data; look for it for this time at most."""
    async with database.connection(seconds) as connection:
        rows = await connection.fetch(FIND, event_id)
    _compare(rows, data)


def _compare(known: list[Record], data: EventData) -> None:
    if any(row["digest"] != data.digest for row in known):
        raise ServiceError(422, "Idempotency-Key: was used with another body; take a new key for another event")
