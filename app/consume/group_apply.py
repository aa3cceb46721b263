"""Group apply: deliveries that come while a statement runs are applied together by the next one."""

from functools import partial

from app.consume import effects
from app.consume.effects import Change
from app.database.group_commit import GroupCommit
from app.database.postgres import Database
from app.event.delivery import Delivery, IndigestibleError

MAX_ALONE = 1000


class GroupApply:
    """Applies deliveries.

    Whatever is wrong with one event is that event's alone: what the server refuses together is applied one by one, side
    by side, and what failed so goes by itself until it is applied.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[Change] = GroupCommit(partial(effects.commit, database))
        self._alone: set[str] = set()

    async def apply(self, delivery: Delivery) -> bool:
        """Apply a delivered event; False when an earlier delivery did.

        IndigestibleError when it cannot be applied, DependencyUnavailableError while the database is away.
        """
        change = effects.change(delivery, self._database.encoding)
        try:
            row = None if change.id in self._alone else await self._group.together(change)
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
