"""What was made of events, as the database has it; DependencyUnavailableError while that is away."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from asyncpg import Record

from app import SERVICE
from app.database.encoding import UNSTORABLE, escaped
from app.database.pages import Place
from app.database.postgres import Database
from app.event.data import other_row

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

MAX_PAGE = 100
PAGE_BYTES = 1024 * 1024
SHOWN = """
substring(id FROM position(E'\\n' IN id) + 1) AS id, source, key, message, metadata, 'applied' AS status,
    deliveries AS attempts, "partition", "offset", applied_at
"""
# what has no source may be anybody's, and is shown as our own
EVENT = f"""
SELECT {SHOWN} FROM processed_events WHERE id IN ($1, $2) AND (source = $3 OR (source IS NULL AND $4::boolean))
"""  # noqa: S608 - made of the lines above
# of the first so many the first, and what fits behind it: metadata may be fifty times as long as they were sent
EVENTS_OF_KEY = f"""
WITH page AS (
    SELECT *, row_number() OVER latest AS place,
        sum(octet_length(message) + octet_length(metadata::text)) OVER latest AS total
    FROM (
        SELECT * FROM processed_events
        WHERE key = $1 AND ($2::timestamptz IS NULL OR (applied_at, id) < ($2, $3))
        ORDER BY applied_at DESC, id DESC LIMIT $4 + 1
    ) AS processed
    WINDOW latest AS (ORDER BY applied_at DESC, id DESC)
)
SELECT {SHOWN}, id AS row, (SELECT max(place) FROM page) AS found
FROM page WHERE place <= $4 AND (place = 1 OR total <= $5) ORDER BY place
"""  # noqa: S608 - made of the lines above
FAILED_EVENT = """
SELECT source, NULL AS key, NULL AS message, NULL AS metadata,
    CASE WHEN dead_lettered_at IS NULL THEN 'failing' ELSE 'dead-lettered' END AS status, reason, attempts,
    "partition", "offset", NULL AS applied_at, dead_lettered_at
FROM failed_events WHERE id = $1 AND (source = $2 OR (source IS NULL AND $3::boolean))
AND ($4::timestamptz IS NULL OR (source IS NOT NULL AND last_failed_at > $4))
ORDER BY source IS NULL, last_failed_at DESC LIMIT 1
"""
QUEUED_EVENT = """
SELECT key, data->>'message' AS message, coalesce(data->'metadata', '{}') AS metadata,
    CASE WHEN published_at IS NULL THEN 'queued' ELSE 'published' END AS status, 0 AS attempts,
    NULL AS "partition", NULL AS "offset", NULL AS applied_at, created_at, published_at
FROM outbox WHERE id = $1 AND $2::boolean
"""
TOTALS = "SELECT count, amount FROM totals WHERE key = $1"


async def find(database: Database, event_id: str, source: str) -> dict[str, Any] | None:
    """Find what was made of a source's event; None when it was never seen."""
    own = source == SERVICE
    async with database.connection() as connection:
        stored = (escaped(database.encoding, event_id), escaped(database.encoding, source))
        # in the order of its life, so that one which moves on meanwhile is not missed
        queued = await _rows(connection, QUEUED_EVENT, event_id, own)
        # what failed before that was another attempt
        queued_at = queued[0]["created_at"] if queued else None
        rows = [
            *queued,
            *await _rows(connection, FAILED_EVENT, *stored, own, queued_at),
            *await _rows(connection, EVENT, event_id, other_row(source, event_id), source, own),
        ]
    if not rows:
        return None
    known = rows[-1].get("source", source) is not None
    return _shown(rows[-1]) | {"id": event_id, "source": source if known else None}


async def find_by_key(database: Database, key: str, after: Place | None, size: int) -> dict[str, Any]:
    """Find a key's totals and so many of its events, the latest first, from behind a place on.

    Fewer where they are larger than `PAGE_BYTES`; `next_page_token` is None when there are no more.
    """
    async with database.connection() as connection:
        totals = await _rows(connection, TOTALS, key)
        rows = await _rows(connection, EVENTS_OF_KEY, key, *(after or (None, None)), size, PAGE_BYTES)
    more = bool(rows) and rows[0]["found"] > len(rows)
    return {
        "key": key,
        "totals": {"count": totals[0]["count"], "amount": _plain(totals[0]["amount"])}
        if totals
        else {"count": 0, "amount": 0},
        "events": [_shown(row) for row in rows],
        "next_page_token": str(Place(rows[-1]["applied_at"], rows[-1]["row"])) if more else None,
    }


async def _rows(connection: "PoolConnectionProxy", query: str, *arguments: object) -> list[Record]:
    with suppress(*UNSTORABLE):
        return await connection.fetch(query, *arguments)
    return []  # what the server cannot hold it does not have


def _shown(row: Record) -> dict[str, Any]:
    shown = {name: value for name, value in row.items() if name not in {"row", "found"}}
    return {"id": None, "source": None, **shown, "metadata": json.loads(row["metadata"] or "null")}


def _plain(amount: Decimal) -> int | float:
    return int(amount) if amount == amount.to_integral_value() else float(amount)
