"""The one way to wait."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryError, retry_if_not_result, stop_after_delay, wait_fixed

T = TypeVar("T")
SLOWER = 5
"""How much longer than an idle machine one may take that has other work too: the factor on every deadline."""


def in_time(seconds: float) -> float:
    """What becomes of a deadline of so many seconds on a machine that has other work too."""
    return SLOWER * seconds


async def until(what: str, ask: Callable[[], Awaitable[T]], accept: Callable[[T], bool], within_seconds: float) -> T:
    """Ask until the answer is accepted and return it; fail saying what was expected and what was seen last."""
    policy = AsyncRetrying(
        stop=stop_after_delay(in_time(within_seconds)), wait=wait_fixed(0.02), retry=retry_if_not_result(accept)
    )

    async def asked() -> T:
        return await ask()

    try:
        return await policy(asked)
    except RetryError as error:
        seen = error.last_attempt.result()
        raise AssertionError(f"expected {what} within {in_time(within_seconds):g} s, last seen: {seen!r}") from None
