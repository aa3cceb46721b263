"""Who looks at the system while a test goes on; one that looked away makes a run say nothing (exit 10)."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube.kubectl import finish
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.watching.timeline import Seen, Timeline

# The first bytes a client says; a live server answers each at once. Kafka: ApiVersions v0. PostgreSQL: SSLRequest.
# Asked in hex, and size and pattern of the answer: a length and our correlation id; a yes or no to TLS.
HELLO = {
    "kafka": ("0000000a00120000000000010000", 8, r"[\s\S]{4}\x00\x00\x00\x01"),
    "postgres": ("0000000804d2162f", 1, "[NS]"),
}
INTERVAL_S = 0.1
ANSWER_S = 3
LONGEST_S = 1800
LEAST_SHARE = 0.8
UNKNOWN = "unknown"


@contextmanager
def asking(
    timeline: Timeline, toolbox: Toolbox, http: dict[str, str], backends: dict[str, tuple[str, int]]
) -> Iterator[None]:
    """Ten times a second, from inside the cluster, ask every URL and backend; a backend's name is its protocol."""
    wanted = {
        "http": http,
        "backends": {name: (*address, *HELLO[name]) for name, address in backends.items()},
        "interval_s": INTERVAL_S,
        "timeout_s": ANSWER_S,
        "seconds": LONGEST_S,
    }
    since = time.monotonic()
    with following(timeline, toolbox, "watch", wanted):
        yield
        # what is still being asked has not been told
        until = time.monotonic() - ANSWER_S
    for name in (*http, *backends):
        require_beat(timeline, name, 1 / INTERVAL_S, since, until)


@contextmanager
def following(
    timeline: Timeline, toolbox: Toolbox, program: str, wanted: dict[str, Any], finish_s: float = 0
) -> Iterator[None]:
    """Take in what a program inside the cluster prints, an observation per line, until the block ends.

    `finish_s` is how long the program may take for what it has begun. Raises EnvironmentNotReadyError when it ended
    before the block did, whatever else went wrong in there: nobody looked any more.
    """
    with toolbox.stream(program, json.dumps(wanted)) as process:
        said: list[str] = []
        reader = Thread(target=_read, args=(timeline, process, said), daemon=True)
        reader.start()
        ended_early = False
        try:
            yield
            ended_early = process.poll() is not None
            if finish_s and not ended_early:
                finish(process, finish_s)
        except Exception:
            ended_early = process.poll() is not None
            raise
        finally:
            process.terminate()
            reader.join(timeout=5)
            if ended_early:
                last = said[-1] if said else "without a word"
                raise EnvironmentNotReadyError(f"{program}, which observes from inside the cluster, has ended: {last}")


@contextmanager
def sampling(timeline: Timeline, name: str, state: Callable[[], str], interval_s: float = 0.5) -> Iterator[None]:
    """From this machine, write down a state on a fixed beat; a question that fails is none of the system's states.

    Raises EnvironmentNotReadyError when one did.
    """
    ending, began = Event(), time.monotonic()

    def sample() -> None:
        due = began
        while not ending.wait(max(0.0, (due := due + interval_s) - time.monotonic())):
            try:
                timeline.note(name, state())
            except Exception as error:  # noqa: BLE001 -- whatever went wrong belongs on the timeline
                timeline.note(name, UNKNOWN, f"{type(error).__name__}: {error}")

    thread = Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield
        until = time.monotonic()
    finally:
        ending.set()
        thread.join(timeout=15)
    if unknown := [one for one in timeline.of(name, began) if one.state == UNKNOWN]:
        raise EnvironmentNotReadyError(f"{name} was unknown {len(unknown)} times: {unknown[0].detail}")
    require_beat(timeline, name, 1 / interval_s, began, until)


def require_beat(timeline: Timeline, name: str, per_second: float, since: float, until: float, state: str = "") -> None:
    """Raise EnvironmentNotReadyError when much less was seen than was to be: what was missed may have been anything.

    Counted is what was seen under a name, and in a state if one is given, from the first time, or since a moment if
    nothing ever was, up to another: an observer takes a moment to begin.
    """
    seen = [one.at for one in timeline.of(name, since) if not state or one.state == state]
    lasted_s = max(0.0, until - min(seen, default=since))
    seen = [at for at in seen if at < until]
    due = per_second * lasted_s
    if len(seen) < LEAST_SHARE * due - 1:
        raise EnvironmentNotReadyError(
            f"{name} was seen {len(seen)} times in {lasted_s:.1f} s, not {due:.0f}: this machine has other work"
        )


def _read(timeline: Timeline, process: subprocess.Popen[str], said: list[str]) -> None:
    offset = 0.0
    for line in process.stdout or ():
        try:
            told = json.loads(line)
        except ValueError:
            said.append(line.strip())
            timeline.note("watch", "failed", line.strip())
            continue
        if "clock" in told:
            offset = time.monotonic() - told["clock"]
        else:
            timeline.seen.append(Seen(**{**told, "at": told["at"] + offset}))
