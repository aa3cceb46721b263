"""Group publish: events that come while others are on their way to Kafka go together in the next call."""

import asyncio
from collections.abc import Coroutine
from typing import NamedTuple, cast
from urllib.parse import quote

from app.sidecar.api import TOPIC, RefusedError, Sidecar

CALLS = 2
"""On their way at once: while one comes back, the next is made."""
SLOW_SECONDS = 0.25
"""Then a call is no longer one of these, and its keys are suspected: perhaps the broker of one of them is away."""
MAX_EVENTS = 100
MAX_BYTES = 500_000
"""Of the records of one call: those that share a partition are one to the broker, which takes about a million bytes."""
MAX_SUSPECTED = 10_000


class _Waiting(NamedTuple):
    key: str
    record: bytes
    taken: "asyncio.Future[None]"


class GroupPublish:
    """Publishes events as they come: a lone one at once, under load as many in a call as came during the last.

    Each is told what became of it alone: Kafka may take some of a call and refuse others. What holds up a call holds up
    no other: the events of its keys go by themselves until Kafka takes one.
    """

    def __init__(self, sidecar: Sidecar) -> None:
        self._sidecar = sidecar
        self._waiting: list[_Waiting] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._callers: set[asyncio.Task[None]] = set()
        """Those of the tasks that take what waits."""
        self._suspected: set[str] = set()

    async def publish(self, key: str, record: bytes) -> None:
        """Return when Kafka has the record; DependencyUnavailableError when it may not have it."""
        if key in self._suspected:
            await self._publish(key, record)
            self._suspected.discard(key)
            return
        waiting = _Waiting(key, record, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._start()
        await waiting.taken

    def _start(self) -> None:
        if self._waiting and len(self._callers) < CALLS:
            self._callers.add(self._spawn(self._call()))

    def _spawn(self, work: Coroutine[None, None, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self._callers.discard(task)
        self._start()

    async def _call(self) -> None:
        """Make call after call, until nothing waits any more, or one was slow: then somebody else does."""
        caller = asyncio.current_task()
        while caller in self._callers and (batch := self._take()):
            await self._send(batch)

    async def _send(self, batch: list[_Waiting]) -> None:
        """Make one call, and tell each what became of it."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        timer = asyncio.get_running_loop().call_later(SLOW_SECONDS, self._suspect, task, batch)
        try:
            await self._publish_all(batch)
        except RefusedError as error:
            _refuse(batch, error)
        except Exception as error:  # noqa: BLE001 - each of those who wait raises it
            _fail(batch, error)
        else:
            self._suspected.difference_update(one.key for one in batch)
        timer.cancel()
        for one in batch:
            if not one.taken.done():
                one.taken.set_result(None)

    def _suspect(self, task: "asyncio.Task[None]", batch: list[_Waiting]) -> None:
        """Let others go on; what waits goes now, for it is to be answered in time however many calls are slow."""
        self._callers.discard(task)
        if len(self._suspected) >= MAX_SUSPECTED:
            self._suspected.clear()
        self._suspected.update(one.key for one in batch)
        while more := self._take():
            self._spawn(self._send(more))

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

    async def _publish_all(self, batch: list[_Waiting]) -> None:
        if len(batch) == 1:
            await self._publish(batch[0].key, batch[0].record)
        else:
            entries = [(str(number), one.key, one.record) for number, one in enumerate(batch)]
            await self._sidecar.publish_all(TOPIC, entries)

    async def _publish(self, key: str, record: bytes) -> None:
        await self._sidecar.publish(TOPIC, record, quote(key, safe=""))


def _fail(batch: list[_Waiting], error: Exception) -> None:
    for one in batch:
        if not one.taken.done():
            one.taken.set_exception(error)


def _refuse(batch: list[_Waiting], error: RefusedError) -> None:
    """Tell those whose records Kafka did not take; all, when it is not told whose."""
    failed = error.failed if len(batch) > 1 else {}
    if not failed:
        _fail(batch, error)
    for number, one in enumerate(batch):
        if not one.taken.done() and (reason := failed.get(str(number))):
            one.taken.set_exception(RefusedError("pubsub", f"Kafka did not take it: {reason}"))
