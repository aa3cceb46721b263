"""Group commit: what comes while a statement runs is in the next one, together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

import asyncpg

from app.errors import DependencyUnavailableError

MAX_ROWS = 500
MAX_CHARACTERS = 4_000_000
"""Of the texts of one statement, but for its last row's."""
MAX_ALONE = 1000
PAUSE_SECONDS = 0.002
"""After several: who was among them is likely to come again, and half of the cost of a statement is not of its rows."""


class Given(Protocol):
    """What a statement is given for one who waits."""

    @property
    def row(self) -> str:
        """The id of its row: there are no two of one row in a statement."""

    @property
    def characters(self) -> int:
        """How long its texts are."""


G = TypeVar("G", bound=Given)


class _Waiting(NamedTuple, Generic[G]):
    given: G
    answer: "asyncio.Future[asyncpg.Record | None]"
    """None when the statement failed for several, of which this may be the one."""


class GroupCommit(Generic[G]):
    """Commits as it is asked: one alone at once, under load as many in a statement as came during the last.

    Whatever is wrong with one is that one's alone: what fails together is tried one by one, side by side, and what
    failed so goes by itself until it succeeds. `commit` makes one transaction of what it is given, and answers a row
    for each, in order.
    """

    def __init__(self, commit: Callable[[Sequence[G]], Awaitable[Sequence[asyncpg.Record]]]) -> None:
        self._commit = commit
        self._waiting: list[_Waiting[G]] = []
        self._committing: asyncio.Task[None] | None = None
        self._alone: set[str] = set()

    async def commit(self, given: G) -> asyncpg.Record:
        """Return what came of it.

        DependencyUnavailableError while the database is away, else what `commit` raises for this one.
        """
        try:
            row = None if given.row in self._alone else await self._together(given)
            if row is None:
                (row,) = await self._rows([given])
        except Exception:
            if len(self._alone) >= MAX_ALONE:  # what another replica was given meanwhile
                self._alone.clear()
            self._alone.add(given.row)
            raise
        self._alone.discard(given.row)
        return row

    async def _together(self, given: G) -> asyncpg.Record | None:
        waiting = _Waiting(given, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._keep_committing())
        return await waiting.answer

    async def _keep_committing(self) -> None:
        """Make statement after statement, until nothing waits any more."""
        while batch := self._take():
            try:
                rows = await self._rows([one.given for one in batch])
            except Exception as error:  # noqa: BLE001 - each of those who wait raises it
                if _is_away(error):  # who came meanwhile has waited as long, and would wait in vain once more
                    batch += self._waiting
                    self._waiting = []
                _fail(batch, error)
            else:
                for one, row in zip(batch, rows, strict=True):
                    if not one.answer.done():
                        one.answer.set_result(row)
                if len(batch) > 1:
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _rows(self, given: Sequence[G]) -> Sequence[asyncpg.Record]:
        rows = await self._commit(given)
        if len(rows) != len(given):  # a trigger of somebody's: nobody is to get another's answer, or none
            raise LookupError(f"{len(given)} rows were given, {len(rows)} answered")
        return rows

    def _take(self) -> list[_Waiting[G]]:
        """Take what waits, as it came, as far as one statement can have it."""
        batch: dict[str, _Waiting[G]] = {}
        left: list[_Waiting[G]] = []
        characters = 0
        for one in self._waiting:
            if one.answer.done():  # who waited is gone
                continue
            if one.given.row in batch or len(batch) == MAX_ROWS or characters > MAX_CHARACTERS:
                left.append(one)
                continue
            batch[one.given.row] = one
            characters += one.given.characters
        self._waiting = left
        return [*batch.values()]


def _is_away(error: Exception) -> bool:
    return isinstance(error, DependencyUnavailableError) and not isinstance(error.__cause__, asyncpg.PostgresError)


def _fail(batch: list[_Waiting[G]], error: Exception) -> None:
    """Tell who waits; where the server is there and more than one does, each is to try by itself."""
    for one in batch:
        if one.answer.done():
            continue
        if len(batch) == 1 or _is_away(error):
            one.answer.set_exception(error)
        else:
            one.answer.set_result(None)
