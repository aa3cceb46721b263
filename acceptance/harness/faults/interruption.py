"""Ctrl-C, SIGTERM and a test's time-out interrupt a run, and no undo; one that is ignored (`make test &`) stays so."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
"""The last is pytest-timeout's."""


def terminate_like_interrupt() -> None:
    """Let SIGTERM end a run the way Ctrl-C does: everything is undone."""
    signal.signal(signal.SIGTERM, _interrupt)


@contextmanager
def uninterrupted(terminate: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold signals back until the block is over, then let them act; of SIGTERM `terminate` is told at once."""
    if current_thread() is not main_thread():
        yield
        return
    came: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGTERM:
            terminate()

    before = {number: signal.signal(number, hold) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # Not when the block failed: that an undo is incomplete matters more than that somebody interrupted it.
    for one in came:
        # To whoever was there before: another block like this one, or what ends the run.
        signal.raise_signal(one)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
