"""No test keeps a run for ever: pytest-timeout fires once, and what hung then may hang again in a fixture's end."""

import faulthandler
import os
from collections.abc import Generator

import pytest

TEARDOWN_SECONDS = 120
STDERR = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Keep the standard error there is before pytest captures it."""
    config.stash[STDERR] = os.dup(2)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """End the run, with every thread's stack, when the end of a test's fixtures takes longer."""
    faulthandler.dump_traceback_later(TEARDOWN_SECONDS, exit=True, file=item.config.stash[STDERR])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()
