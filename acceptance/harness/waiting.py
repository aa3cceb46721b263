"""The one waiting policy of the suite."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import httpx
import urllib3
from kubernetes import client
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from acceptance.harness.errors import HopelessError, KubectlError, NotYetError, UnmetError

# A transport that breaks while something restarts, or an API server with too much to do: reasons to wait, no verdict.
WORTH_WAITING = (
    NotYetError,
    KubectlError,
    client.ApiException,
    httpx.TransportError,
    urllib3.exceptions.HTTPError,
    OSError,
    asyncio.TimeoutError,
)
QUIET_S = 5.0

T = TypeVar("T")


@dataclass
class Waiting:
    """Polls until a probe answers, shows what is missing meanwhile, and counts its retries."""

    time_scale: float = 1.0
    show: Callable[[str], None] = print
    retries: int = 0
    _shown_at: float = field(default=0.0, repr=False)

    def until(self, expected: str, probe: Callable[[], T], within_s: float, interval_s: float = 0.2) -> T:
        """What `probe` returns once it stops raising NotYetError; seconds are stretched by the time scale.

        Raises UnmetError with what was last seen when the time is up, or at once on HopelessError.
        """
        started = self._shown_at = time.monotonic()

        def heartbeat(state: RetryCallState) -> None:
            self.retries += 1
            if time.monotonic() - self._shown_at >= QUIET_S and state.outcome:
                self._shown_at = time.monotonic()
                self.show(f"waiting {self._shown_at - started:.0f} s for {expected}: {state.outcome.exception()}")

        retrying = Retrying(
            stop=stop_after_delay(within_s * self.time_scale),
            wait=wait_fixed(interval_s),
            retry=retry_if_exception_type(WORTH_WAITING),
            before_sleep=heartbeat,
            reraise=True,
        )
        try:
            return retrying(probe)
        except WORTH_WAITING as error:
            raise UnmetError(expected, _told(error), time.monotonic() - started) from error
        except HopelessError as error:
            raise UnmetError(expected, f"{error} (waiting cannot help)", time.monotonic() - started) from error

    def through(self, seconds: float, what: str) -> None:
        """Let a stated time pass, for a fault that has to last; shows that it does. Not stretched."""
        deadline = time.monotonic() + seconds

        def remaining() -> None:
            if time.monotonic() < deadline:
                raise NotYetError(f"{deadline - time.monotonic():.0f} s to go")

        Waiting(show=self.show).until(what, remaining, within_s=seconds + 1, interval_s=0.1)


def _told(error: BaseException) -> str:
    return str(error) if isinstance(error, NotYetError) else f"{type(error).__name__}: {error}"
