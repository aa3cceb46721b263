"""What a test measures, beside the bounds of its entry."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from acceptance.harness.suite.catalogue import Entry
from acceptance.harness.suite.numbers import Numbers, took
from acceptance.harness.suite.report import Result
from acceptance.harness.waiting import Waiting

T = TypeVar("T")


@dataclass(frozen=True)
class Judge:
    """Puts numbers beside their bounds into the report; all that exceed theirs are told at the test's end."""

    entry: Entry
    result: Result
    waiting: Waiting

    def __call__(self, *numbers: Numbers) -> None:
        """Note numbers."""
        for one in chain.from_iterable(numbers):
            self.result.measure(one.name, one.value, self.waiting.time_scale, one.such_as)

    def bound(self, name: str) -> float:
        """A bound of the entry."""
        return self.entry.bounds[name]

    def within(self, name: str, expected: str, probe: Callable[[], T], interval_s: float = 0.2) -> T:
        """Wait for something within a bound; how long it took is noted. Raises UnmetError when the time is up."""
        started = time.monotonic()
        found = self.waiting.until(expected, probe, self.bound(name), interval_s)
        self(took(name, started, time.monotonic()))
        return found
