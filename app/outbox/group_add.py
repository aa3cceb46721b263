"""Group add: events that come while a statement runs are queued together by the next one."""

from functools import partial

from app.database.group_commit import GroupCommit
from app.database.postgres import Database
from app.event.data import EventData
from app.outbox import store
from app.outbox.store import Entry


class GroupAdd:
    """Puts events into the outbox; what the server refuses together is put there one by one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[Entry] = GroupCommit(partial(store.add, database))

    async def add(self, event_id: str, data: EventData, trace: dict[str, str]) -> None:
        """Queue an event, once however often it is asked for; 422 when the id has other data.

        DependencyUnavailableError while the database is away.
        """
        entry = Entry.of(event_id, data, trace)
        row = await self._group.together(entry)
        store.require_same([row] if row else await store.add(self._database, [entry]))
