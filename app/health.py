"""Background checks of the dependencies; `/ready` only reads what they found."""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Any, Self

from app.broker import Broker
from app.config import Settings
from app.dapr import Sidecar
from app.database import Database
from app.dependency import CheckFailedError, Dependency
from app.errors import DependencyUnavailableError
from app.recovery import Recovery, missing_from

logger = logging.getLogger(__name__)
LATE_CHECKS = 3
"""How many checks may have taken their longest, one after the other, until what they found last is worth nothing."""


class Monitor:
    """The table of dependencies, each checked by a task of its own, and the sidecar's recovery."""

    def __init__(
        self, settings: Settings, sidecar: Sidecar, database: Database, broker: Broker, is_draining: Callable[[], bool]
    ) -> None:
        period, backend_retry = settings.check_period_seconds, settings.backend_retry_seconds
        stale = LATE_CHECKS * (period + settings.check_timeout_seconds)
        self.dependencies = {
            dependency.name: dependency
            for dependency in (
                Dependency("api", self._check_api, period, stale),
                Dependency("database", database.check, backend_retry, stale, lambda: database.warning),
                Dependency("dapr", self._check_sidecar, period, stale),
                Dependency("pubsub", broker.check, backend_retry, stale),
                Dependency("statestore", self._check_statestore, period, stale),
            )
        }
        self._settings = settings
        self._sidecar = sidecar
        self._is_draining = is_draining
        self._recovery = Recovery(settings.sidecar_grace_seconds, settings.sidecar_restart_interval_seconds)
        self._missing: dict[str, str] | None = None

    async def __aenter__(self) -> Self:
        loops = [*map(self._keep_checking, self.dependencies.values()), self._keep_recovering()]
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def require(self, name: str) -> None:
        """Raise DependencyUnavailableError when the last check of this dependency failed."""
        error = self.dependencies[name].error
        if error:
            raise DependencyUnavailableError(name, error)

    async def report(self, *, serving: bool = False) -> dict[str, dict[str, Any]]:
        """Report every dependency by name; `serving` leaves the broker, and what hangs on it alone, out."""
        # at once: from SIGTERM on no answer may be yes
        await self.dependencies["api"].run(self._settings.check_timeout_seconds)
        return {
            name: dependency.report(serving=serving)
            for name, dependency in self.dependencies.items()
            if not (serving and name == "pubsub")
        }

    async def _keep_checking(self, dependency: Dependency) -> None:
        while True:
            await dependency.run(self._settings.check_timeout_seconds)
            pause = dependency.retry_seconds if dependency.error else self._settings.check_period_seconds
            await asyncio.sleep(pause)

    async def _keep_recovering(self) -> None:
        while True:
            try:
                await self._recover()
            except Exception:
                logger.exception("Recovery failed")
            await asyncio.sleep(self._settings.check_period_seconds)

    async def _check_api(self) -> None:
        if self._is_draining():
            raise CheckFailedError("shutting down")

    async def _check_statestore(self) -> None:
        await self._sidecar.get_state("readiness-check")

    async def _check_sidecar(self) -> None:
        self._missing = None
        self._missing = missing_from(await self._sidecar.metadata())
        if self._missing:
            kafka_only = set(self._missing.values()) == {"pubsub"}
            raise CheckFailedError(f"not loaded by the sidecar: {', '.join(self._missing)}", kafka_only=kafka_only)

    async def _recover(self) -> None:
        # what was not checked yet counts too: the sidecar may have started earlier, and without it
        away = {name for name, dependency in self.dependencies.items() if dependency.error is not None}
        if self._recovery.is_due(self._missing, away, monotonic()) and not self._is_draining():
            logger.warning("Restarting the sidecar: it lacks %s, whose backends answer", ", ".join(self._missing or ()))
            try:
                await self._sidecar.shutdown()
            except DependencyUnavailableError as error:
                logger.warning("The sidecar was not restarted: %s", error.reason)
