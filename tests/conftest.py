"""No test keeps a run for ever: pytest-timeout fires once, and what hung then may hang again in a fixture's end."""

import faulthandler
import gc
import os
from collections.abc import Generator, Iterator
from threading import Timer
from types import AsyncGeneratorType, CoroutineType, FrameType

import pytest

TEARDOWN_SECONDS = 120
TOLD_SECONDS = 5
STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the standard error there is before pytest captures it."""
    config.stash[STDERR] = os.dup(2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """End the run, with every task's and every thread's stack, when the end of a test's fixtures takes longer."""
    standard_error = item.config.stash[STDERR]
    tasks = Timer(TEARDOWN_SECONDS - TOLD_SECONDS, tell_tasks, [item.nodeid, standard_error])
    tasks.daemon = True
    tasks.start()
    faulthandler.dump_traceback_later(TEARDOWN_SECONDS, exit=True, file=standard_error)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
        tasks.cancel()


def tell_tasks(about: str, file: int) -> None:
    """Write where every coroutine and fixture waits, which a thread's stack does not show, into an open file."""
    with os.fdopen(os.dup(file), "w") as out:
        out.write(f"\n{about}: its fixtures have not ended for {TEARDOWN_SECONDS - TOLD_SECONDS} s\n")
        for waiting in [one for one in gc.get_objects() if isinstance(one, CoroutineType | AsyncGeneratorType)]:
            out.write(f"{waiting!r}\n")
            for frame in frames(waiting):
                out.write(f"  {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}\n")


def frames(waiting: object) -> Iterator[FrameType]:
    """The frames from a coroutine, or an async generator, down to what it awaits."""
    while waiting:
        yield from (one for name in ("cr_frame", "ag_frame", "gi_frame") if (one := getattr(waiting, name, None)))
        awaited = (getattr(waiting, name, None) for name in ("cr_await", "ag_await", "gi_yieldfrom"))
        waiting = next(filter(None, awaited), None)
