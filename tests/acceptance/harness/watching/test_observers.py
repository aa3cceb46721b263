"""An observer that looked away, ended early, or could not ask makes a run say nothing."""

import subprocess
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import cast

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError, NotYetError, UnmetError
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching import observers
from acceptance.harness.watching.load import Load, Stream
from acceptance.harness.watching.observers import asking, following, require_beat, sampling
from acceptance.harness.watching.timeline import Seen, Timeline

PRINTING = """
import json, sys, time
print(json.dumps({{"clock": time.monotonic()}}))
for _ in range({often}):
    print(json.dumps({{"at": time.monotonic(), "name": "ready", "state": "200"}}))
    time.sleep({apart_s})
{then}
"""
UNTIL_ASKED, BROKEN = "sys.stdin.read()", "raise SystemExit('out of memory')"


@dataclass
class Printing:
    """A toolbox whose programs say that all is well, so often, so many seconds apart, and do something then."""

    often: int = 3
    apart_s: float = 0.01
    then: str = UNTIL_ASKED

    def stream(self, _program: str, *_arguments: str) -> subprocess.Popen[str]:
        """A program of this machine."""
        command = [sys.executable, "-u", "-c", PRINTING.format(**vars(self))]
        pipe = subprocess.PIPE
        self.program = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, bufsize=1
        )
        return self.program


def until_seen(timeline: Timeline, times: int, name: str = "ready") -> None:
    def probe() -> None:
        if (seen := len(timeline.of(name))) < times:
            raise NotYetError(f"{seen} times")

    Waiting().until(f"{name} to be seen {times} times", probe, within_s=30, interval_s=0.01)


def follow(timeline: Timeline, toolbox: Printing, verdict: UnmetError | None = None) -> None:
    """Follow a program to its third word, and, where it is broken, to its end; a verdict is reached meanwhile."""
    with following(timeline, cast("Toolbox", toolbox), "watch", {}, finish_s=30):
        until_seen(timeline, 3)
        if toolbox.then == BROKEN:
            toolbox.program.wait(30)
        if verdict:
            raise verdict


def test_what_is_told_is_on_the_timeline_and_the_program_ends_with_the_block() -> None:
    timeline, toolbox = Timeline(), Printing()
    follow(timeline, toolbox)
    assert [one.state for one in timeline.of("ready")] == ["200"] * 3
    assert toolbox.program.returncode == 0


@pytest.mark.parametrize("verdict", [UnmetError("/ready to fail", "200"), None], ids=["red", "green"])
def test_an_observer_that_ended_early_is_named_whatever_was_seen(verdict: UnmetError | None) -> None:
    with pytest.raises(EnvironmentNotReadyError, match=r"watch, which observes from .* has ended: out of memory"):
        follow(Timeline(), Printing(then=BROKEN), verdict)


def test_what_was_seen_red_while_the_observer_lived_is_red() -> None:
    with pytest.raises(UnmetError):
        follow(Timeline(), Printing(), UnmetError("/ready to fail", "200"))


def test_an_observer_that_asks_too_seldom_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "ANSWER_S", 0)
    timeline, seldom = Timeline(), cast("Toolbox", Printing(often=100, apart_s=0.25))
    with (
        pytest.raises(EnvironmentNotReadyError, match=r"ready was seen \d+ times in .* this machine has other work"),
        asking(timeline, seldom, {"ready": "http://127.0.0.1:1/"}, {}),
    ):
        until_seen(timeline, 8)


def test_a_load_that_was_not_sent_is_named() -> None:
    timeline, seldom = Timeline(), cast("Toolbox", Printing(often=100, apart_s=0.25))
    stream = Stream("ready", "http://127.0.0.1:1/", per_second=10)
    with (
        pytest.raises(EnvironmentNotReadyError, match="ready was seen"),
        Load(timeline, seldom, Waiting()).sending(stream),
    ):
        until_seen(timeline, 8)


def test_a_state_that_is_not_known_is_named() -> None:
    timeline = Timeline()

    def state() -> str:
        return "2" if len(timeline.of("endpoints")) < 2 else str(1 / 0)

    with (
        pytest.raises(EnvironmentNotReadyError, match=r"endpoints was unknown \d+ times: ZeroDivisionError"),
        sampling(timeline, "endpoints", state, interval_s=0.01),
    ):
        until_seen(timeline, 3, "endpoints")


def test_a_state_that_is_asked_for_keeps_its_beat_however_long_an_answer_takes() -> None:
    timeline = Timeline()

    def slowly() -> str:
        time.sleep(0.05)
        return "2"

    with sampling(timeline, "endpoints", slowly, interval_s=0.06):
        until_seen(timeline, 20, "endpoints")


ENOUGH, TOO_FEW = nullcontext(), pytest.raises(EnvironmentNotReadyError)


@pytest.mark.parametrize(
    ("seen", "state", "verdict"),
    [(100, "", ENOUGH), (81, "", ENOUGH), (75, "", TOO_FEW), (100, "b", TOO_FEW), (0, "", TOO_FEW)],
)
def test_four_fifths_of_what_is_due_have_to_be_seen(
    seen: int, state: str, verdict: AbstractContextManager[object]
) -> None:
    timeline = Timeline()
    timeline.seen = [Seen(1000 + 10 * number / seen, "ready", "ab"[number % 2]) for number in range(seen)]
    with verdict:
        require_beat(timeline, "ready", 10, since=1000, until=1010, state=state)


def test_what_ended_before_an_observer_had_begun_is_not_held_against_it() -> None:
    timeline = Timeline()
    timeline.seen = [Seen(1000.5 + number / 10, "ready", "200") for number in range(20)]
    require_beat(timeline, "ready", 10, since=1000, until=1000.3)
