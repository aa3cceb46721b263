"""The relay: publishes what is in the outbox, in order per key, one replica at a time."""

import asyncio
import logging
from contextlib import suppress
from itertools import accumulate
from typing import TYPE_CHECKING, Self

from pydantic_core import from_json

from app.config import Settings
from app.dapr import TOPIC, Sidecar
from app.database import Database
from app.errors import DependencyUnavailableError
from app.events import EVENT_TYPE
from app.health import Monitor

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

logger = logging.getLogger(__name__)
LOCK = 0x72656C61
"""Any number other than the schema's, as long as every replica takes the same."""
BATCH = 200
BATCH_BYTES = 1_000_000
"""daprd takes a body of 4 MiB at most; one event, 256 KiB at most, always fits."""
PURGE = """
DELETE FROM outbox WHERE published_at IS NOT NULL AND (
    EXISTS (SELECT FROM processed_events AS processed WHERE processed.id = outbox.id)
    OR EXISTS (
        SELECT FROM failed_events AS failed
        WHERE failed.id = outbox.id AND failed.digest = outbox.digest AND failed.dead_lettered_at IS NOT NULL
    )
)
"""
# the session's own, given up with its connection; the server ends a session that is silent for longer than a turn
TAKE_TURN = "SELECT pg_try_advisory_lock($1) AND set_config('idle_session_timeout', $2, false) IS NOT NULL"
# one event of a key at a time: of a batch that fails, daprd may have published a later event and not an earlier one
NEXT = """
SELECT number, id, key, data FROM (
    SELECT *, row_number() OVER (PARTITION BY key ORDER BY number) AS place FROM (
        SELECT number, id, key, data FROM outbox WHERE published_at IS NULL ORDER BY number LIMIT $1
    ) AS waiting
) AS ranked WHERE place = 1 OR key = '' ORDER BY number
"""
MARK = "UPDATE outbox SET published_at = clock_timestamp() WHERE number = ANY($1::bigint[])"


class Relay:
    """A task that publishes batch after batch; killed before a batch is marked, it is sent again under the same ids."""

    def __init__(self, settings: Settings, sidecar: Sidecar, database: Database, monitor: Monitor) -> None:
        self._sidecar = sidecar
        self._database = database
        self._monitor = monitor
        self._poll_seconds = settings.outbox_poll_seconds
        self._turn_seconds = settings.sidecar_timeout_seconds + settings.database_timeout_seconds
        self._wakened = asyncio.Event()
        self._stopping = False

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping = True
        self.wake()
        await asyncio.wait([self._task], timeout=self._turn_seconds)
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def wake(self) -> None:
        """Tell that there is a new event."""
        self._wakened.set()

    async def _run(self) -> None:
        waiting = False
        while not self._stopping:
            self._wakened.clear()
            try:
                self._monitor.require("pubsub")
                more = await self._take_turn()
            except DependencyUnavailableError as error:
                logger.log(logging.DEBUG if waiting else logging.WARNING, "The outbox waits: %s", error.detail)
                waiting = True
                await asyncio.sleep(self._poll_seconds)
                continue
            except Exception:
                logger.exception("The relay failed")
                await asyncio.sleep(self._poll_seconds)
                continue
            waiting = False
            if not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wakened.wait()

    async def _take_turn(self) -> bool:
        """Publish one batch, unless another replica is at it; True when there may be more."""
        async with self._database.connection(self._turn_seconds) as connection:
            if not await connection.fetchval(TAKE_TURN, LOCK, str(int(self._turn_seconds * 1000))):
                return False
            try:
                return await self._send_batch(connection)
            finally:
                await connection.reset()

    async def _send_batch(self, connection: "PoolConnectionProxy") -> bool:
        await connection.execute(PURGE)
        events = await connection.fetch(NEXT, BATCH)
        fitting = sum(size <= BATCH_BYTES for size in accumulate(len(event["data"]) for event in events))
        if batch := events[: max(1, fitting)]:
            content = [(event["id"], event["key"], from_json(event["data"])) for event in batch]
            await self._sidecar.publish_all(TOPIC, EVENT_TYPE, content)
            await connection.execute(MARK, [event["number"] for event in batch])
        return bool(batch)
