"""What was seen during a run, on one clock: answers, pods, endpoints, faults."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Event, Thread
from typing import Any

from acceptance.harness.errors import NotYetError
from acceptance.harness.kubectl import finish
from acceptance.harness.toolbox import Toolbox

# The first bytes a client says; a live server answers each at once. Kafka: ApiVersions v0. PostgreSQL: SSLRequest.
# Asked in hex, and size and pattern of the answer: a length and our correlation id; a yes or no to TLS.
HELLO = {
    "kafka": ("0000000a00120000000000010000", 8, r"[\s\S]{4}\x00\x00\x00\x01"),
    "postgres": ("0000000804d2162f", 1, "[NS]"),
}
INTERVAL_S = 0.1


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

    @contextmanager
    def asking(
        self, toolbox: Toolbox, http: dict[str, str], backends: dict[str, tuple[str, int]], seconds: float = 1800
    ) -> Iterator[None]:
        """Ten times a second, from inside the cluster, ask every URL and backend; a backend's name is its protocol."""
        wanted = {
            "http": http,
            "backends": {name: (*address, *HELLO[name]) for name, address in backends.items()},
            "interval_s": INTERVAL_S,
            "timeout_s": 3,
            "seconds": seconds,
        }
        with self.following(toolbox, "watch", wanted):
            yield

    @contextmanager
    def following(self, toolbox: Toolbox, program: str, wanted: dict[str, Any], finish_s: float = 0) -> Iterator[None]:
        """Take in what a program inside the cluster prints, an observation per line, until the block ends.

        `finish_s` is how long the program may take for what it has begun.
        """
        with toolbox.stream(program, json.dumps(wanted)) as process:
            reader = Thread(target=self._read, args=(process,), daemon=True)
            reader.start()
            try:
                yield
                if finish_s:
                    finish(process, finish_s)
            finally:
                process.terminate()
                reader.join(timeout=5)

    @contextmanager
    def sampling(self, name: str, state: Callable[[], str], interval_s: float = 0.5) -> Iterator[None]:
        """From this machine, write down a state on a fixed beat; a question that fails is a state too."""
        ending = Event()

        def sample() -> None:
            while not ending.wait(interval_s):
                try:
                    self.note(name, state())
                except Exception as error:  # noqa: BLE001 -- whatever went wrong belongs on the timeline
                    self.note(name, "unknown", f"{type(error).__name__}: {error}")

        thread = Thread(target=sample, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ending.set()
            thread.join(timeout=15)

    def _read(self, process: subprocess.Popen[str]) -> None:
        offset = 0.0
        for line in process.stdout or ():
            try:
                said = json.loads(line)
            except ValueError:
                self.note("watch", "failed", line.strip())
                continue
            if "clock" in said:
                offset = time.monotonic() - said["clock"]
            else:
                self.seen.append(Seen(**{**said, "at": said["at"] + offset}))
