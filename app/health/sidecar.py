"""Whether the sidecar has what the agent needs, and its restart where that cures it."""

import logging
from collections.abc import Set as AbstractSet
from time import monotonic

from app.config import Settings
from app.errors import DependencyUnavailableError
from app.health.dependency import CheckFailedError
from app.sidecar.api import Sidecar, UnreachableError
from app.sidecar.guard import ESTRANGED, Guard
from app.sidecar.recovery import Recovery, missing_from

logger = logging.getLogger(__name__)
GIVEN_UP = (
    "; a restart of the sidecar was in vain, there will be no more: its log says why, "
    "and what is mended it loads by itself, or with a new pod"
)


class SidecarHealth:
    """What the sidecar said last of what it has loaded."""

    def __init__(self, settings: Settings, sidecar: Sidecar, guard: Guard) -> None:
        self._sidecar = sidecar
        self._guard = guard
        self._recovery = Recovery(settings.sidecar_grace_seconds, settings.sidecar_restart_interval_seconds)
        self._missing: dict[str, AbstractSet[str]] | None = None

    async def check(self) -> None:
        """Ask the sidecar; CheckFailedError when it lacks something, DependencyUnavailableError while it is away."""
        found = None
        try:
            found = missing_from(await self._sidecar.metadata())
        except UnreachableError:
            self._guard.forget()
            raise
        finally:
            # not before there is an answer: while it is asked, what is missing goes on being so
            self._missing = found
        if self._guard.is_estranged:
            raise CheckFailedError(ESTRANGED, kafka_only=True)
        if self._missing:
            kafka_only = all("pubsub" in backends for backends in self._missing.values())
            given_up = GIVEN_UP if self._recovery.is_in_vain(self._missing) else ""
            names = ", ".join(self._missing)
            raise CheckFailedError(f"not loaded by the sidecar: {names}{given_up}", kafka_only=kafka_only)

    async def recover(self, away: AbstractSet[str]) -> None:
        """Restart the sidecar when that is due; `away` names the backends that do not answer."""
        if not self._recovery.is_due(self._missing, away, monotonic()):
            return
        logger.warning("Restarting the sidecar: it lacks %s, whose backends answer", ", ".join(self._missing or ()))
        try:
            await self._sidecar.shutdown()
        except DependencyUnavailableError as error:
            logger.warning("The sidecar was not restarted: %s", error.reason)
