"""The relay: publishes what is in the outbox, in order per key, one replica at a time."""

import asyncio
import logging
from contextlib import suppress
from time import monotonic
from typing import Self

from app.config import Settings
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.health.monitor import Monitor
from app.outbox.backlog import Backlog
from app.sidecar.api import Sidecar

logger = logging.getLogger(__name__)
LOCK = 0x72656C61
"""Any number other than the schema's, as long as every replica takes the same."""
# given up with the transaction, also behind a pooler; the check of the database ends a session that is silent in one
TAKE_TURN = "SELECT pg_try_advisory_xact_lock($1)"


class Relay:
    """A task that publishes batch after batch; killed before a batch is marked, it is sent again under the same ids."""

    def __init__(self, settings: Settings, sidecar: Sidecar, database: Database, monitor: Monitor) -> None:
        self._backlog = Backlog(settings, sidecar)
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
        waits_for = ""
        while not self._stopping:
            self._wakened.clear()
            try:
                # another attempt to connect would spend one of the few refusals that a Service without endpoints gives
                self._monitor.require("database")
                self._monitor.require("pubsub")
                more = await self._take_turn()
            except DependencyUnavailableError as error:
                level = logging.DEBUG if error.detail == waits_for else logging.WARNING
                logger.log(level, "The outbox waits: %s", error.detail)
                waits_for = error.detail
                await asyncio.sleep(self._poll_seconds)
                continue
            except Exception:
                logger.exception("The relay failed")
                await asyncio.sleep(self._poll_seconds)
                continue
            waits_for = ""
            if not more:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_seconds):
                        await self._wakened.wait()

    async def _take_turn(self) -> bool:
        """Publish batch after batch for a moment, unless another replica is at it; True when there may be more."""
        until, more = monotonic() + self._poll_seconds, True
        async with self._database.connection(self._turn_seconds) as connection:
            while more and monotonic() < until and not self._stopping:
                async with connection.transaction():
                    if not await connection.fetchval(TAKE_TURN, LOCK):
                        return False
                    more = await self._backlog.send_batch(connection)
        return more
