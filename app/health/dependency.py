"""One dependency, and what its check found last."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any

from app.errors import DependencyUnavailableError

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
    period_seconds: float
    retry_seconds: float
    stale_seconds: float
    members: Callable[[], dict[str, Any]] = dict
    """What else there is to report."""
    kafka_only: bool = False
    found: str | None = NOT_CHECKED
    checked: float = field(default_factory=monotonic)
    since: datetime = field(default_factory=lambda: datetime.now(UTC))
    changed: float = field(default_factory=monotonic)
    latency_ms: float = 0.0

    @property
    def error(self) -> str | None:
        """What is wrong, None when nothing is; a check that has not ended for `stale_seconds` is wrong in itself."""
        age = monotonic() - self.checked
        return self.found or (f"last checked {age:.0f} s ago" if age > self.stale_seconds else None)

    @property
    def failing_seconds(self) -> float:
        """For how long it has been failing, infinite before the first check has ended, 0 when it is not."""
        if self.found == NOT_CHECKED:
            return math.inf
        since = self.changed if self.found else self.checked + self.stale_seconds
        return monotonic() - since if self.error else 0.0

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
        self.checked = monotonic()
        self.latency_ms = round((self.checked - started) * 1000, 1)

    def report(self, *, forgiven: bool) -> dict[str, Any]:
        """Describe what the check found; a failure that is forgiven does not count."""
        error = None if forgiven else self.error
        return {
            "status": "failing" if error else "ok",
            "since": self.since.isoformat(timespec="milliseconds"),
            "error": error,
            "latency_ms": self.latency_ms,
        } | self.members()

    def _found(self, error: str | None, *, kafka_only: bool = False) -> None:
        if (error is None) != (self.found is None) or self.found == NOT_CHECKED:
            self.since, self.changed = datetime.now(UTC), monotonic()
            logger.log(
                logging.WARNING if error else logging.INFO, "Dependency %s is %s", self.name, error or "available"
            )
        self.found, self.kafka_only = error, kafka_only
