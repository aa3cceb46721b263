"""Retention: deletes what is older than its setting, once nothing can bring it again."""

import asyncio
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Self

from app import SERVICE
from app.config import Settings
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.kafka.group import Group, Partition, Position
from app.retention.expiry import RULES, Rule
from app.sidecar.api import DEAD_LETTER_TOPIC, TOPIC

logger = logging.getLogger(__name__)
NAMES = (SERVICE, TOPIC, DEAD_LETTER_TOPIC)
BATCH = 20_000
STATEMENT_SECONDS = 30.0
"""A table of millions of rows is read as a whole: rarely, and nobody waits for it."""
LOOKS = 20
"""In the shortest of the retentions, but at most each second and at least each hour."""


class Retention:
    """A task, idle without a setting; several replicas may run it at once.

    An id that was deleted would take effect again. So a row stays until every record that brought it is gone from
    Kafka, and nothing that was there at the last look waits to be taken: it could be the same event once more.
    """

    def __init__(self, settings: Settings, database: Database, group: Group) -> None:
        self._ages = {rule: age for rule in RULES if (age := getattr(settings, rule.setting)) is not None}
        self._period_seconds = min(3600.0, max(1.0, min(self._ages.values(), default=0.0) / LOOKS))
        self._database = database
        self._group = group
        self._to_be_taken: dict[Partition, int] | None = None

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run())] if self._ages else []
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                await self.look()
            except DependencyUnavailableError as error:
                logger.warning("Nothing old is deleted: %s", error.detail)
            except Exception:
                logger.exception("The retention failed")
            await asyncio.sleep(self._period_seconds)

    async def look(self) -> None:
        """Delete what is due; DependencyUnavailableError when database or brokers do not answer."""
        # before it is asked where the records are: a row that came later is not taken for an old one
        async with self._database.connection() as connection:
            now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        positions = await self._group.positions()
        if self._group.leaderless:
            raise DependencyUnavailableError("pubsub", f"{self._group.leaderless[0]} has no leader")
        if self._to_be_taken is not None and _is_taken(self._to_be_taken, positions):
            for rule, seconds in self._ages.items():
                if deleted := await self._delete(rule, now - timedelta(seconds=seconds), positions):
                    logger.info("Deleted %s of %s, older than %s s", deleted, rule.table, seconds)
            self._to_be_taken = None
        if self._to_be_taken is None:
            self._to_be_taken = {partition: position.end for partition, position in positions.items()}

    async def _delete(self, rule: Rule, before: datetime, positions: Mapping[Partition, Position]) -> int:
        logs = [(*one, position.start, position.end) for one, position in positions.items()]
        columns = [list(column) for column in zip(*logs, strict=True)]
        batch, deleted = BATCH, 0
        while batch == BATCH:
            async with self._database.transaction(STATEMENT_SECONDS) as connection:
                done = await connection.execute(rule.statement, *columns, *NAMES, before, BATCH)
            batch = int(done.removeprefix("DELETE "))
            deleted += batch
        return deleted


def _is_taken(ends: Mapping[Partition, int], positions: Mapping[Partition, Position]) -> bool:
    """Tell whether the group has taken all that there was when the partitions ended there."""
    return all(
        (position := positions.get(partition)) is not None and end <= max(position.committed, position.start)
        for partition, end in ends.items()
    )
