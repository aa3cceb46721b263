"""The backlog: what waits in the outbox to be published, batch by batch, and what is done with."""

import logging
from time import monotonic
from typing import TYPE_CHECKING

from app.config import Settings
from app.event import envelope
from app.event.data import EVENT_TYPE
from app.outbox import store
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
        has_more_to_settle = monotonic() >= self._settle_at and await self._settle(connection)
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
        return bool(batch or began_at or has_more_to_settle)

    async def _next(self, connection: "PoolConnectionProxy") -> "list[Record]":
        """Read the next batch, without the events that are set aside."""
        aside = [*self._suspected, *(self._refused if monotonic() < self._aside_until else ())]
        batch, self._last_key = await store.next_batch(connection, self._last_key, BATCH, aside, BATCH_BYTES)
        return batch

    async def _settle(self, connection: "PoolConnectionProxy") -> bool:
        """Let go of what was applied or dead-lettered, and have what is missing for long published again.

        True when there may be more of the oldest, which are the first to be applied: they are let go of at once.
        What may be stuck there holds up no other: those behind it are looked at in turn.
        """
        oldest = await store.settle(connection, 0, SETTLED_BATCH, self._resend_seconds)
        if oldest.settled == SETTLED_BATCH:
            return True
        self._settle_at = monotonic() + self._poll_seconds
        looked = [oldest]
        if oldest.last:
            last = max(oldest.last, self._last_settled)
            looked.append(await store.settle(connection, last, SETTLED_BATCH, self._resend_seconds))
        self._last_settled = looked[-1].last
        if resent := [event_id for one in looked for event_id in one.resent]:
            logger.warning("Published and not applied since, sent again: %s and %d more", resent[0], len(resent) - 1)
        return False

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
        await store.mark(connection, [event["id"] for event in events])
        for event in events:
            self._refused.pop(event["id"], None)


def _record(event: "Record") -> bytes:
    trace = {name: event[name] for name in ("traceparent", "tracestate") if event[name]}
    time = event["created_at"].isoformat(timespec="milliseconds")
    return envelope.write(event["id"], EVENT_TYPE, event["data"].encode(), time=time, **trace)
