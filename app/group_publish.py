"""Group publish: events that come while others are on their way to Kafka go together in the next call."""

import asyncio
from typing import NamedTuple
from urllib.parse import quote

from app.dapr import TOPIC, RefusedError, Sidecar
from app.errors import DependencyUnavailableError

CALLS = 2
"""On their way at once: while one comes back, the next is made."""
MAX_EVENTS = 100
MAX_BYTES = 500_000
"""Of the records of one call: those that share a partition are one to the broker, which takes about a million bytes."""


class _Waiting(NamedTuple):
    key: str
    record: bytes
    taken: "asyncio.Future[None]"


class GroupPublish:
    """Publishes events as they come: a lone one at once, under load as many in a call as came during the last.

    Each is told what became of it alone: Kafka may take some of a call and refuse others.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._waiting: list[_Waiting] = []
        self._callers: set[asyncio.Task[None]] = set()

    async def publish(self, key: str, record: bytes) -> None:
        """Return when Kafka has the record; DependencyUnavailableError when it may not have it."""
        waiting = _Waiting(key, record, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._callers) < CALLS:
            caller = asyncio.create_task(self._call())
            self._callers.add(caller)
            caller.add_done_callback(self._callers.discard)
        await waiting.taken

    async def _call(self) -> None:
        """Make call after call, until nothing waits any more."""
        while batch := self._take():
            try:
                await self._send(batch)
            except RefusedError as error:
                _refuse(batch, error)
            except Exception as error:  # noqa: BLE001 - each of those who wait raises it
                if isinstance(error, DependencyUnavailableError):  # who came meanwhile would wait in vain as long
                    batch += self._waiting
                    self._waiting = []
                for one in batch:
                    if not one.taken.done():
                        one.taken.set_exception(error)
            for one in batch:
                if not one.taken.done():
                    one.taken.set_result(None)

    def _take(self) -> list[_Waiting]:
        """Take what waits, in order, as far as one call can have it."""
        batch: list[_Waiting] = []
        size = taken = 0
        for one in self._waiting:
            size += len(one.record)
            if batch and (len(batch) == MAX_EVENTS or size > MAX_BYTES):
                break
            taken += 1
            if not one.taken.done():  # else who waited is gone
                batch.append(one)
        self._waiting = self._waiting[taken:]
        return batch

    async def _send(self, batch: list[_Waiting]) -> None:
        if len(batch) == 1:
            await self._sidecar.publish(TOPIC, batch[0].record, quote(batch[0].key, safe=""))
        else:
            entries = [(str(number), one.key, one.record) for number, one in enumerate(batch)]
            await self._sidecar.publish_all(TOPIC, entries)


def _refuse(batch: list[_Waiting], error: RefusedError) -> None:
    """Tell those whose records Kafka did not take; all, when it is not told whose."""
    failed = error.failed if len(batch) > 1 else {}
    for number, one in enumerate(batch):
        if one.taken.done():
            continue
        if not failed:
            one.taken.set_exception(error)
        elif reason := failed.get(str(number)):
            one.taken.set_exception(RefusedError("pubsub", f"Kafka did not take it: {reason}"))
