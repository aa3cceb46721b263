"""What was seen during a run, on one clock: answers, pods, endpoints, faults."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from acceptance.harness.errors import NotYetError


@dataclass(frozen=True)
class Seen:
    """One observation; `at` is in seconds on this machine's monotonic clock."""

    at: float
    name: str
    state: str
    ms: float = 0.0
    detail: str = ""


class Timeline:
    """Observations of one test, in the order of their arrival."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.began = time.monotonic()

    def note(self, name: str, state: str, detail: str = "") -> float:
        """Write down what happens now; its time."""
        self.seen.append(Seen(time.monotonic(), name, state, detail=detail))
        return self.seen[-1].at

    def of(self, name: str, since: float = 0.0, until: float = float("inf")) -> list[Seen]:
        """Observations of one name in a span of time, oldest first."""
        return sorted(
            (one for one in list(self.seen) if one.name == name and since <= one.at < until), key=lambda one: one.at
        )

    def first(self, name: str, state: str = "", since: float = 0.0) -> float:
        """When a state, or any, was first seen. Raises NotYetError with the last state while it was not."""
        seen = self.of(name, since)
        found = [one.at for one in seen if one.state == state or not state]
        if not found:
            raise NotYetError(
                f"{name} is {seen[-1].state}: {seen[-1].detail[:200]}" if seen else f"{name} not seen yet"
            )
        return found[0]

    def settled(self, name: str, state: str, since: float) -> float:
        """Since when a state has been seen without a break. Raises NotYetError when it is not the last one seen."""
        seen = self.of(name, since)
        steady: list[Seen] = []
        for one in seen:
            steady = [*steady, one] if one.state == state else []
        if not steady:
            raise NotYetError(f"{name} is {seen[-1].state}" if seen else f"{name} not seen yet")
        return steady[0].at

    def share_percent(self, name: str, since: float, other_than: str) -> float:
        """How many of the observations were of another state, in percent. Raises NotYetError without any."""
        seen = self.of(name, since)
        if not seen:
            raise NotYetError(f"{name} not seen yet")
        return 100 * sum(one.state != other_than for one in seen) / len(seen)

    def lines(self) -> Iterator[str]:
        """Every observation as a JSON line, seconds since the timeline began."""
        for one in sorted(self.seen, key=lambda one: one.at):
            yield json.dumps({**asdict(one), "at": round(one.at - self.began, 3)})
