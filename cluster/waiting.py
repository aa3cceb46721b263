"""Waiting for what comes by itself, with a sign of life."""

import time
from collections.abc import Callable

from cluster.console import beating

INTERVAL_SECONDS = 0.5


def comes(what: str, is_there: Callable[[], bool], within_seconds: float) -> bool:
    """Ask again until it is there, and tell every 10 s what is waited for; returns whether it came in time."""
    deadline = time.monotonic() + within_seconds
    with beating([what]):
        while not (came := is_there()) and time.monotonic() < deadline:
            time.sleep(INTERVAL_SECONDS)
    return came
