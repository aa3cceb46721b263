"""The backlog: what waits in the outbox to be published, batch by batch, and what is done with."""

import logging
from time import monotonic
from typing import TYPE_CHECKING

from app import SERVICE
from app.config import Settings
from app.event import envelope
from app.event.data import EVENT_TYPE, OWN_OTHER_ROW
from app.sidecar.api import TOPIC, RefusedError, Sidecar

if TYPE_CHECKING:
    from asyncpg import Record
    from asyncpg.pool import PoolConnectionProxy

logger = logging.getLogger(__name__)
BATCH = 200
"""Events of a batch that have a key; and as many without."""
BATCH_BYTES = 500_000
"""The records of a batch that share a partition are one to the broker, which takes about a million bytes."""
SETTLED_BATCH = 1000
ASIDE_POLLS = 4
MAX_ASIDE_SECONDS = 60
"""However long it took to find what Kafka refuses: it may take it by now."""
MAX_DOUBLINGS = 20
# bounded: what Kafka has and nobody applies may be many; what is not applied after some time Kafka may have lost, so it
# waits to be published again, after twice that time once more, and so on
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
    DELETE FROM outbox USING settled WHERE outbox.id = settled.id
), resent AS (
    UPDATE outbox SET published_at = NULL, resent = outbox.resent + 1 FROM seen
    WHERE outbox.id = seen.id AND seen.id NOT IN (SELECT id FROM settled)
        AND outbox.published_at < clock_timestamp() - make_interval(secs => $5 * 2.0 ^ least(outbox.resent, $6))
    RETURNING outbox.id
)
SELECT CASE WHEN count(*) = $2 THEN max(number) ELSE 0 END AS last, (SELECT array_agg(id) FROM resent) AS resent
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


class Backlog:
    """Sends one batch after the other, over a connection that has the turn."""

    def __init__(self, settings: Settings, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._sending_seconds = settings.sidecar_timeout_seconds
        self._poll_seconds = settings.outbox_poll_seconds
        self._aside_seconds = ASIDE_POLLS * settings.outbox_poll_seconds
        self._resend_seconds = settings.outbox_resend_seconds
        self._aside_until = 0.0
        self._refused: dict[str, str] = {}
        """Events that Kafka refused while it took others, and why."""
        self._suspected: dict[str, str] = {}
        """Events that it refused since it took one: the next turn begins behind them."""
        self._suspected_since = 0.0
        self._last_key = ""
        self._last_settled = 0
        self._settle_at = 0.0

    async def send_batch(self, connection: "PoolConnectionProxy") -> bool:
        """Publish one batch; True when there may be more."""
        give_up_at = monotonic() + self._sending_seconds
        if monotonic() >= self._settle_at:
            self._settle_at = monotonic() + self._poll_seconds
            await self._settle(connection)
        began_at = self._last_key
        batch = await self._next(connection)
        if not (batch or began_at) and self._suspected:
            self._suspected.clear()  # nothing else is left
            batch = await self._next(connection)
        if batch:
            try:
                await self._publish(connection, batch)
            except RefusedError:
                if not await self._send_each(connection, batch, give_up_at):
                    raise
            self._set_aside()
        return bool(batch or began_at)

    async def _next(self, connection: "PoolConnectionProxy") -> "list[Record]":
        """Read the next batch, without the events that are set aside."""
        aside = [*self._suspected, *(self._refused if monotonic() < self._aside_until else ())]
        rows = await connection.fetch(NEXT, self._last_key, BATCH, aside, BATCH_BYTES)
        self._last_key = rows[0]["last_key"] or ""
        return [row for row in rows if row["id"] is not None]

    async def _settle(self, connection: "PoolConnectionProxy") -> None:
        """Let go of what was applied or dead-lettered, and have what is missing for long published again."""
        limits = (self._last_settled, SETTLED_BATCH, OWN_OTHER_ROW, SERVICE, self._resend_seconds, MAX_DOUBLINGS)
        (row,) = await connection.fetch(SETTLE, *limits)
        self._last_settled = row["last"]
        if resent := row["resent"]:
            logger.warning("Published and not applied since, sent again: %s and %d more", resent[0], len(resent) - 1)

    async def _send_each(self, connection: "PoolConnectionProxy", events: "list[Record]", give_up_at: float) -> bool:
        """Publish one by one; False when Kafka took none in this time, of this batch and those after it."""
        sent = False
        while events and not sent:
            for event in events:
                try:
                    await self._publish(connection, [event])
                    sent = True
                except RefusedError as error:
                    self._suspect(event["id"], error.reason)
                if monotonic() > give_up_at:
                    break
            events = [] if sent or monotonic() > give_up_at else await self._next(connection)
        return sent

    def _suspect(self, event_id: str, reason: str) -> None:
        if not self._suspected:
            self._suspected_since = monotonic()
        self._suspected[event_id] = reason

    def _set_aside(self) -> None:
        """Kafka takes events: set aside those that it refuses, for as long as it took to find them anew."""
        if not self._suspected:
            return
        for event_id, reason in sorted(self._suspected.items() - self._refused.items()):
            logger.warning("Kafka refuses event %s: %s", event_id, reason)
        # found again: not just while Kafka came back
        found_in = monotonic() - self._suspected_since if self._suspected.keys() & self._refused.keys() else 0.0
        self._aside_until = monotonic() + min(max(found_in, self._aside_seconds), MAX_ASIDE_SECONDS)
        self._refused |= self._suspected
        self._suspected.clear()

    async def _publish(self, connection: "PoolConnectionProxy", events: "list[Record]") -> None:
        entries = [(event["id"], event["key"], _record(event)) for event in events]
        await self._sidecar.publish_all(TOPIC, entries)
        await connection.execute(MARK, [event["id"] for event in events])
        for event in events:
            self._refused.pop(event["id"], None)


def _record(event: "Record") -> bytes:
    trace = {name: event[name] for name in ("traceparent", "tracestate") if event[name]}
    time = event["created_at"].isoformat(timespec="milliseconds")
    return envelope.write(event["id"], EVENT_TYPE, event["data"].encode(), time=time, **trace)
