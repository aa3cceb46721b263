"""The one way to wait."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryError, retry_if_not_result, stop_after_attempt, stop_after_delay, wait_fixed

T = TypeVar("T")
PAUSE_S = 0.02
ATTEMPTS_PER_SECOND = 40
"""What an idle machine exceeds; one that makes fewer is busy with something else."""
LONGEST = 4
"""So many times longer at most is a busy machine waited for."""


async def until(what: str, ask: Callable[[], Awaitable[T]], accept: Callable[[T], bool], within_seconds: float) -> T:
    """Ask until the answer is accepted and return it; fail saying what was expected and what was seen last.

    The time is counted in attempts too: on a busy machine what is waited for makes no faster progress than the asking.
    """
    attempts = stop_after_attempt(round(within_seconds * ATTEMPTS_PER_SECOND))
    over = stop_after_delay(within_seconds) & attempts | stop_after_delay(LONGEST * within_seconds)
    policy = AsyncRetrying(stop=over, wait=wait_fixed(PAUSE_S), retry=retry_if_not_result(accept))

    async def asked() -> T:
        return await ask()

    try:
        return await policy(asked)
    except RetryError as error:
        seen = error.last_attempt.result()
        raise AssertionError(f"expected {what} within {within_seconds:g} s, last seen: {seen!r}") from None
