"""Group apply: deliveries that come while a statement runs are applied together by the next one."""

from functools import partial

from app.consume import effects
from app.consume.effects import Change
from app.database.group_commit import GroupCommit
from app.database.postgres import Database
from app.event.delivery import Delivery


class GroupApply:
    """Applies deliveries, beside each other."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group: GroupCommit[Change] = GroupCommit(partial(effects.commit, database))

    async def apply(self, delivery: Delivery) -> bool:
        """Apply a delivered event; False when an earlier delivery did.

        IndigestibleError when it cannot be applied, DependencyUnavailableError while the database is away.
        """
        change = effects.change(delivery, self._database.encoding)
        return await effects.conclude(self._database, change, await self._group.commit(change))
