"""Background checks of the dependencies; `/ready` only reads what they found."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Self

from app.broker import Broker
from app.config import Settings
from app.dapr import Sidecar
from app.database import Database
from app.errors import DependencyUnavailableError
from app.recovery import Recovery, missing_from

logger = logging.getLogger(__name__)
NOT_CHECKED = "not checked yet"


class CheckFailedError(Exception):
    """A check found its dependency wanting; `kafka_only` when state, queries and invocation work all the same."""

    def __init__(self, reason: str, *, kafka_only: bool = False) -> None:
        super().__init__(reason)
        self.kafka_only = kafka_only


@dataclass
class Dependency:
    """A dependency, the check that asks it, and what the check found last."""

    name: str
    check: Callable[[], Awaitable[None]]
    retry_seconds: float
    kafka_only: bool = False
    error: str | None = NOT_CHECKED
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    latency_ms: float = 0.0

    async def run(self, timeout_seconds: float) -> None:
        """Check once, in this time at most."""
        started = monotonic()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self.check()
            self._found(None)
        except TimeoutError:
            self._found(f"no answer within {timeout_seconds:g} s")
        except CheckFailedError as error:
            self._found(str(error), kafka_only=error.kafka_only)
        except DependencyUnavailableError as error:
            self._found(error.reason)
        except Exception as error:
            logger.debug("Check of %s failed", self.name, exc_info=True)
            self._found(f"the check itself failed: {error!r}")
        self.latency_ms = round((monotonic() - started) * 1000, 1)

    def report(self, *, serving: bool) -> dict[str, Any]:
        """Describe what the check found; with `serving`, a failure that concerns Kafka alone does not count."""
        error = None if serving and self.kafka_only else self.error
        return {
            "status": "failing" if error else "ok",
            "since": self.since.isoformat(timespec="milliseconds"),
            "error": error,
            "latency_ms": self.latency_ms,
        }

    def _found(self, error: str | None, *, kafka_only: bool = False) -> None:
        if (error is None) != (self.error is None) or self.error == NOT_CHECKED:
            self.since = datetime.now(UTC)
            logger.log(
                logging.WARNING if error else logging.INFO, "Dependency %s is %s", self.name, error or "available"
            )
        self.error, self.kafka_only = error, kafka_only


class Monitor:
    """The table of dependencies, each checked by a task of its own, and the sidecar's recovery."""

    def __init__(
        self, settings: Settings, sidecar: Sidecar, database: Database, broker: Broker, is_draining: Callable[[], bool]
    ) -> None:
        period, backend_retry = settings.check_period_seconds, settings.backend_retry_seconds
        self.dependencies = {
            dependency.name: dependency
            for dependency in (
                Dependency("api", self._check_api, period),
                Dependency("database", database.check, backend_retry),
                Dependency("dapr", self._check_sidecar, period),
                Dependency("pubsub", broker.check, backend_retry),
                Dependency("statestore", self._check_statestore, period),
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

    def report(self, *, serving: bool = False) -> dict[str, dict[str, Any]]:
        """Report every dependency by name; `serving` leaves the broker, and what hangs on it alone, out."""
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
            await self._recover()
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
