"""What is in the dead letter topic, recorded in PostgreSQL; DependencyUnavailableError while that is away."""

from typing import TYPE_CHECKING, Any

from asyncpg import Record

from app.database.encoding import escaped, unescaped
from app.database.pages import Place
from app.database.postgres import Database
from app.dead_letters.letter import DeadLetter
from app.dead_letters.selection import Selection
from app.errors import ServiceError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

RECORD = """
INSERT INTO dead_letters (
    position, "partition", "offset", letter_partition, letter_offset, id, source, reason, attempts, key, original, size
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (position) DO UPDATE SET
    letter_partition = excluded.letter_partition, letter_offset = excluded.letter_offset
"""
# of a selection
MATCHING = """
($1::text[] IS NULL OR id = ANY($1::text[]))
AND ($2::text[] IS NULL OR coalesce(source, '') = ANY($2::text[]))
AND ($3::text[] IS NULL OR key = ANY($3::text[]))
AND ($4::text IS NULL OR strpos(lower(reason), lower($4::text)) > 0)
AND ($5::timestamptz IS NULL OR recorded_at >= $5::timestamptz)
AND ($6::timestamptz IS NULL OR recorded_at < $6::timestamptz)
AND ($7::text IS NULL OR starts_with(position, $7::text))
AND ($8::bigint IS NULL OR "offset" = $8::bigint)
AND ($9::boolean IS NULL OR (replayed_at IS NOT NULL) = $9::boolean)
"""
# the originals are read of those alone that are shown
PAGE = f"""
WITH page AS (
    SELECT position, recorded_at, count(*) OVER () - row_number() OVER latest AS more FROM dead_letters
    WHERE {MATCHING} AND ($10::timestamptz IS NULL OR (recorded_at, position) < ($10::timestamptz, $11::text))
    WINDOW latest AS (ORDER BY recorded_at DESC, position DESC)
    ORDER BY recorded_at DESC, position DESC LIMIT $12
)
SELECT position, id, source, key, reason, attempts, recorded_at, replayed_at, size, octet_length(original) AS kept,
    substring(original FOR $13) AS beginning, more
FROM page JOIN dead_letters USING (position, recorded_at) ORDER BY recorded_at DESC, position DESC
"""  # noqa: S608 - made of the lines above
# of several under one id a whole one, and of those the one that was not replayed yet, or longest ago
CHOSEN = f"""
SELECT position, id, source, key, reason, size, octet_length(original) AS kept FROM dead_letters WHERE {MATCHING}
ORDER BY size IS NOT NULL, replayed_at NULLS FIRST, recorded_at, "partition", "offset" LIMIT $10
"""  # noqa: S608 - made of the lines above
ORIGINAL = "SELECT original FROM dead_letters WHERE position = $1 FOR UPDATE"
RECORD_REPLAY = "UPDATE dead_letters SET replayed_at = clock_timestamp() WHERE position = $1"
CHOOSING_SECONDS = 30
"""A hundred thousand take some, and no event waits for that."""
TEXTS = ("id", "source", "key", "reason")


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


async def page(
    database: Database, selection: Selection, before: Place | None, limit: int, beginning: int
) -> list[dict[str, Any]]:
    """So many dead letters from behind a place on, the latest first, with the beginning of each original in bytes.

    Each says how many match behind it (`more`).
    """
    async with database.connection() as connection:
        wanted = (*selection.parameters(database.encoding), *(before or (None, None)), limit, beginning)
        return [_read(database, row) for row in await connection.fetch(PAGE, *wanted)]


async def choose(database: Database, selection: Selection, limit: int | None = None) -> list[dict[str, Any]]:
    """Dead letters to replay, all or so many: the whole ones first, and of those what was never replayed, or first."""
    async with database.transaction(CHOOSING_SECONDS) as connection:
        rows = await connection.fetch(CHOSEN, *selection.parameters(database.encoding), limit)
        return [_read(database, row) for row in rows]


async def hold(connection: "PoolConnectionProxy", position: str) -> bytes:
    """Read an original, and keep it from whoever else would replay it until the transaction ends.

    ServiceError when it got too old meanwhile.
    """
    original: bytes | None = await connection.fetchval(ORIGINAL, position)
    if original is None:
        raise ServiceError(404, f"the dead letter at {position} was deleted meanwhile")
    return original


async def record_replay(connection: "PoolConnectionProxy", position: str) -> None:
    """Note that a dead letter was sent again."""
    await connection.execute(RECORD_REPLAY, position)


def _read(database: Database, row: Record) -> dict[str, Any]:
    """Texts as they came, and the place of the original, as topic/partition:offset, None when nobody knows it."""
    texts = {name: row[name] and unescaped(database.encoding, row[name]) for name in TEXTS}
    return {**row, **texts, "place": row["position"].rpartition("/")[0] or None}
