"""Group commit: deliveries that come while a statement runs are applied together by the next one."""

import asyncio
from typing import NamedTuple

import asyncpg

from app.consume import effects
from app.consume.effects import Change
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.event.delivery import Delivery, IndigestibleError

MAX_EVENTS = 500
MAX_CHARACTERS = 4_000_000
"""Of the messages and metadata of one statement, but for its last event's."""
MAX_ALONE = 1000
PAUSE_SECONDS = 0.002
"""After a batch: who was in it is likely to come again, and half of the cost of a statement is not of its events."""


class _Waiting(NamedTuple):
    change: Change
    row: "asyncio.Future[asyncpg.Record | None]"
    """None when the batch failed for some of its events, of which this may be one."""


class GroupCommit:
    """Applies deliveries as they come: a lone one at once, under load as many in a statement as came during the last.

    Whatever is wrong with one event is that event's alone: what the server refuses together is applied one by one, side
    by side, and what failed so goes by itself until it is applied.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Waiting] = []
        self._committing: asyncio.Task[None] | None = None
        self._alone: set[str] = set()

    async def apply(self, delivery: Delivery) -> bool:
        """Apply a delivered event; False when an earlier delivery did.

        IndigestibleError when it cannot be applied, DependencyUnavailableError while the database is away.
        """
        change = effects.change(delivery, self._database.encoding)
        try:
            row = None if change.id in self._alone else await self._together(change)
            if row is None or not row["mine"]:
                applied = await effects.apply(self._database, change)
            else:
                applied = effects.is_new(change, row)
        except IndigestibleError:
            raise
        except Exception:
            if len(self._alone) >= MAX_ALONE:  # what another replica was given meanwhile
                self._alone.clear()
            self._alone.add(change.id)
            raise
        self._alone.discard(change.id)
        return applied

    async def _together(self, change: Change) -> asyncpg.Record | None:
        waiting = _Waiting(change, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit())
        return await waiting.row

    async def _commit(self) -> None:
        """Commit batch after batch, until nothing waits any more."""
        while batch := self._take():
            try:
                rows = await effects.commit(self._database, [one.change for one in batch])
            except Exception as error:  # noqa: BLE001 - each of those who wait raises it
                if _is_away(error):  # who came meanwhile has waited as long, and would wait in vain once more
                    batch += self._waiting
                    self._waiting = []
                _fail(batch, error)
            else:
                for one, row in zip(batch, rows, strict=True):
                    if not one.row.done():
                        one.row.set_result(row)
                if len(batch) > 1:
                    await asyncio.sleep(PAUSE_SECONDS)

    def _take(self) -> list[_Waiting]:
        """Take what waits, as it came, as far as one statement can have it."""
        batch: dict[str, _Waiting] = {}
        left: list[_Waiting] = []
        characters = 0
        for one in self._waiting:
            if one.row.done():  # who waited is gone
                continue
            if one.change.row in batch or len(batch) == MAX_EVENTS or characters > MAX_CHARACTERS:
                left.append(one)
                continue
            batch[one.change.row] = one
            characters += len(one.change.message) + len(one.change.metadata)
        self._waiting = left
        return [*batch.values()]


def _is_away(error: Exception) -> bool:
    return isinstance(error, DependencyUnavailableError) and not isinstance(error.__cause__, asyncpg.PostgresError)


def _fail(batch: list[_Waiting], error: Exception) -> None:
    """Tell who waits; where the server is there and more than one does, each is to try by itself."""
    for one in batch:
        if one.row.done():
            continue
        if len(batch) == 1 or _is_away(error):
            one.row.set_exception(error)
        else:
            one.row.set_result(None)
