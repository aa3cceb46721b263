"""What is in the dead letter topic, recorded in PostgreSQL; DependencyUnavailableError while that is away."""

from asyncpg import Record

from app.database import Database
from app.encoding import escaped
from app.letter import DeadLetter

RECORD = """
INSERT INTO dead_letters (
    position, "partition", "offset", letter_partition, letter_offset, id, source, reason, attempts, key, original, size
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (position) DO UPDATE SET
    letter_partition = excluded.letter_partition, letter_offset = excluded.letter_offset
"""
LIST = """
SELECT id, coalesce("partition" || ':' || "offset", '') AS position, attempts, reason, recorded_at, replayed_at, source,
    CASE WHEN size IS NULL THEN 'yes' ELSE octet_length(original) || ' of ' || size END AS complete
FROM dead_letters ORDER BY recorded_at
"""
SOURCES = "SELECT DISTINCT coalesce(source, '') AS source FROM dead_letters WHERE id IN ($1, $2) ORDER BY 1"
# of several under one id a whole one, and of those the one that was not replayed yet, or longest ago
FIND = """
SELECT * FROM dead_letters WHERE id IN ($1, $2) AND coalesce(source, '') = $3
ORDER BY size IS NOT NULL, replayed_at NULLS FIRST, recorded_at LIMIT 1
"""
RECORD_REPLAY = "UPDATE dead_letters SET replayed_at = clock_timestamp() WHERE position = $1"


async def record(
    database: Database, letter: DeadLetter, partition: int | None = None, offset: int | None = None
) -> None:
    """Record a dead letter, once however often it is delivered, and where it was delivered from."""
    async with database.connection() as connection:
        position, event_id, source, reason, key = (
            text and escaped(database.encoding, text)
            for text in (letter.position, letter.id, letter.source, letter.reason, letter.record_key)
        )
        place = (letter.partition, letter.offset, partition, offset)
        original = letter.original_base64 or letter.beginning_base64 or b""
        content = (event_id, source, reason, letter.attempts, key, original, letter.size)
        await connection.execute(RECORD, position, *place, *content)


async def list_all(database: Database) -> list[Record]:
    """Every dead letter, the oldest first."""
    async with database.connection() as connection:
        return await connection.fetch(LIST)


async def sources(database: Database, event_id: str) -> list[str]:
    """Sources of the dead letters under an id, as it came or as it is listed; empty for what has no usable one."""
    async with database.connection() as connection:
        return [row["source"] for row in await connection.fetch(SOURCES, *_ids(database, event_id))]


async def find(database: Database, event_id: str, source: str) -> Record | None:
    """Find the dead letter to replay under an id and a source, as `sources` has it; None when there is none."""
    async with database.connection() as connection:
        return await connection.fetchrow(FIND, *_ids(database, event_id), source)


async def record_replay(database: Database, position: str) -> None:
    """Note that a dead letter was sent again."""
    async with database.connection() as connection:
        await connection.execute(RECORD_REPLAY, position)


def _ids(database: Database, event_id: str) -> tuple[str, str]:
    stored = escaped(database.encoding, event_id)
    return stored, event_id if event_id.isascii() else stored
