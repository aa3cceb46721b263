"""Group add: events that come while a statement runs are queued together by the next one."""

import asyncio
from functools import partial

from app.database.group_commit import GroupCommit
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.event.data import EventData
from app.outbox import store
from app.outbox.store import Entry


class GroupAdd:
    """Puts events into the outbox, beside each other; a client is answered within `seconds`."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._group: GroupCommit[Entry] = GroupCommit(partial(store.add, database))
        self._seconds = seconds

    async def add(self, event_id: str, data: EventData, trace: dict[str, str]) -> None:
        """Queue an event, once however often it is asked for; 422 when the id has other data.

        DependencyUnavailableError while the database is away, or does not get to it in time.
        """
        try:
            # of its own: a statement that it waits for, that of several, and its own may each take as long
            async with asyncio.timeout(self._seconds):
                row = await self._group.commit(Entry.of(event_id, data, trace))
        except TimeoutError as error:
            raise DependencyUnavailableError("database", f"no answer within {self._seconds:g} s") from error
        store.require_same([row])
