"""An app that answers its sidecar's probes too late, now and then: the sidecar unsubscribes and subscribes at once."""

from random import Random

from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.harness.faults.faults import Faults
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import balanced, slowest_applied
from acceptance.harness.suite.run import Run
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.load import Load, writes
from acceptance.harness.watching.timeline import Timeline

PER_SECOND = 40
HANGS_S = (0.8, 1.8)
BETWEEN_S = 22
"""Longer than an event may wait: the next hang would have the sidecar subscribe anew as well."""


@proves("endurance-slow-probes")
def test_no_event_waits_for_long_though_probes_are_answered_too_late(
    system: System,
    entry: Entry,
    run: Run,
    faults: Faults,
    timeline: Timeline,
    load: Load,
    effects: Effects,
    waiting: Waiting,
    judge: Judge,
) -> None:
    lengths = Random(f"{run.options.seed} {entry.id}")  # noqa: S311 -- drawn again from the seed, not secret
    url = system.publish_url()
    faults.require_steady()
    with load.sending(writes(url, PER_SECOND, effects.key, keep=True)):
        for number in range(1, entry.times + 1):
            with faults.frozen(system.agent, timeline, 0):
                waiting.through(lengths.uniform(*HANGS_S), f"hang {number} of {entry.times}")
            waiting.through(BETWEEN_S, f"what comes of hang {number}")
    ledger = load.ledger()
    judge(balanced(effects.settle(ledger, judge.bound("slowest_applied_s"))), slowest_applied(ledger, effects.all()))
