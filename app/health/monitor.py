"""Background checks of the dependencies; `/ready` only reads what they found."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Self

from app.config import Settings
from app.database.postgres import Database
from app.errors import DependencyUnavailableError
from app.health.dependency import CheckFailedError, Dependency
from app.health.progress import Progress
from app.health.sidecar import SidecarHealth
from app.kafka.broker import Broker
from app.sidecar.api import Sidecar
from app.sidecar.guard import Guard

logger = logging.getLogger(__name__)
ABOUT_KAFKA = {"pubsub", "events"}
HELD = "the sidecar is given the time to unsubscribe before it subscribes anew"
LATE_CHECKS = 3
"""How many checks may have taken their longest, one after the other, until what they found last is worth nothing."""


class Monitor:
    """The table of dependencies, each checked by a task of its own, and the sidecar's recovery."""

    def __init__(
        self, settings: Settings, sidecar: Sidecar, database: Database, broker: Broker, is_draining: Callable[[], bool]
    ) -> None:
        period, retry = settings.check_period_seconds, settings.backend_retry_seconds
        events_period = settings.events_period_seconds
        stale, events_stale = (
            LATE_CHECKS * (pause + settings.check_timeout_seconds) for pause in (period, events_period)
        )
        self.progress = Progress(settings, database)
        self.guard = Guard(settings.app_api_token)
        self._sidecar_health = SidecarHealth(settings, sidecar, self.guard)
        events = self.progress.members
        self.dependencies = {
            dependency.name: dependency
            for dependency in (
                Dependency("api", self._check_api, period, period, stale),
                Dependency("database", self._check_database, period, retry, stale, database.members),
                Dependency("dapr", self._sidecar_health.check, period, period, stale),
                Dependency("pubsub", broker.check, period, retry, stale, self._lag),
                Dependency("statestore", self._check_statestore, period, period, stale),
                Dependency("events", self._check_events, events_period, events_period, events_stale, events),
            )
        }
        self._settings = settings
        self._sidecar = sidecar
        self._database = database
        self._is_draining = is_draining

    async def __aenter__(self) -> Self:
        loops = [*map(self._keep_checking, self.dependencies.values()), self._keep_recovering()]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.progress.close()

    def require(self, name: str) -> None:
        """Raise DependencyUnavailableError when the last check of this dependency failed."""
        error = self.dependencies[name].error
        if error:
            raise DependencyUnavailableError(name, error)

    async def report(self, *, serving: bool = False) -> dict[str, dict[str, Any]]:
        """Report every dependency by name; `serving` leaves Kafka, and what hangs on it alone, out."""
        # at once: from SIGTERM on no answer may be yes
        await self.dependencies["api"].run(self._settings.check_timeout_seconds)
        return {
            name: dependency.report(forgiven=serving and dependency.kafka_only)
            for name, dependency in self.dependencies.items()
            if not (serving and name in ABOUT_KAFKA)
        }

    def report_events(self) -> dict[str, dict[str, Any]]:
        """Report whether this replica can apply events: the database, of which a blip does not count, and the token.

        This is for the sidecar, which is also told no for as long as it takes to subscribe anew.
        """
        database = self.dependencies["database"]
        forgiven = database.failing_seconds <= self._settings.unsubscribe_after_seconds
        checks = {"database": database.report(forgiven=forgiven)}
        if self.guard.is_kept_away:
            checks["dapr"] = self.dependencies["dapr"].report(forgiven=False)
        fit = all(check["status"] == "ok" for check in checks.values())
        is_due = self.progress.subscription.is_due(monotonic(), fit=fit)
        if fit and not is_due:
            checks["subscription"] = {"status": "failing", "error": HELD}
        return checks

    async def _keep_checking(self, dependency: Dependency) -> None:
        while True:
            await dependency.run(self._settings.check_timeout_seconds)
            await asyncio.sleep(dependency.retry_seconds if dependency.error else dependency.period_seconds)

    async def _keep_recovering(self) -> None:
        while True:
            try:
                # what was not checked yet counts too: the sidecar may have started earlier, and without it
                away = {name for name, dependency in self.dependencies.items() if dependency.error is not None}
                if not self._is_draining():
                    await self._sidecar_health.recover(away)
            except Exception:
                logger.exception("Recovery failed")
            await asyncio.sleep(self._settings.check_period_seconds)

    async def _check_api(self) -> None:
        if self._is_draining():
            raise CheckFailedError("shutting down")

    async def _check_database(self) -> None:
        await self._database.check()
        # over the same connection: one more in the pool would be one more to be lost without a word
        await self.progress.read_activity()

    async def _check_statestore(self) -> None:
        await self._sidecar.get_state("readiness-check")

    async def _check_events(self) -> None:
        if self.dependencies["database"].error or self.dependencies["pubsub"].error:
            self.progress.pause()
            return
        sidecar = self.dependencies["dapr"]
        if sidecar.error:
            self.progress.excuse_sidecar(sidecar.changed)
        await self.progress.check(is_sidecar_away=bool(sidecar.error))

    def _lag(self) -> dict[str, Any]:
        return {"lag": self.progress.lag}
