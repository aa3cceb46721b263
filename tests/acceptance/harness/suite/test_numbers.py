"""Each bound of criteria.toml is exceeded by the recording of a bad system, judged as a run on a cluster is judged."""

import ast
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

import acceptance
from acceptance.agent.criteria import ENTRIES
from acceptance.harness.errors import NotYetError, UnmetError
from acceptance.harness.suite import numbers
from acceptance.harness.suite.numbers import Number, Numbers
from acceptance.harness.suite.report import Result
from acceptance.harness.watching.ledger import Balance, Effect, Write, compare
from acceptance.harness.watching.timeline import Seen, Timeline
from tests.acceptance.harness.watching.test_ledger import GOOD, LEDGER, totals_of

Spans = Mapping[str, tuple[tuple[float, str], ...]]
KILLED, UNDONE, BACK, END = 1.1, 26.2, 35.7, 400.0
# scenario-4 as it was seen: when each state was seen first
RECORDED: Spans = {
    "health": ((0.4, "200"),),
    "ready": ((0.4, "200"), (1.7, "503"), (36.8, "200")),
    "kafka": ((0.4, "answers"), (1.3, "refused"), (35.7, "answers")),
    "endpoints": ((0.9, "1"), (13.2, "0"), (36.9, "1")),
}
BAD: Spans = {
    **RECORDED,
    "health": ((0.4, "200"), (5.0, "silent"), (50.0, "200")),
    "ready": ((0.4, "200"), (1.7, "503"), (36.8, "200"), (37.0, "503"), (300.0, "200")),
    "endpoints": ((0.9, "1"), (300.0, "0"), (301.0, "1")),
}
REFUSED_ALL = {one.id: replace(one, outcome="failed") for one in LEDGER.values()}
BROKEN_FIRST = {one.id: replace(one, answers=("500", "200")) for one in LEDGER.values()}
WITHOUT_END = {one.id: replace(one, outcome="unknown") for one in LEDGER.values()}
BAD_LEDGERS: dict[str, tuple[Mapping[str, Write], list[Effect]]] = {
    "failed": (REFUSED_ALL, []),
    "unknown": (WITHOUT_END, GOOD),
    "lost": (LEDGER, GOOD[:-3]),
    "applied_twice": (LEDGER, [*GOOD, GOOD[4]]),
    "applied_though_refused": (REFUSED_ALL, GOOD),
    "invented": (LEDGER, [*GOOD, Effect("never-sent", "key-0", Decimal(3), 5.0)]),
    "wrong_totals": (LEDGER, GOOD),
    "out_of_order": (LEDGER, [*GOOD[2:4], *GOOD[:2], *GOOD[4:]]),
    "server_errors": (BROKEN_FIRST, GOOD),
}


def timeline(spans: Spans) -> Timeline:
    """A timeline of a state ten times a second."""
    seen = Timeline()
    for name, states in spans.items():
        for (since, state), (until, _) in zip(states, [*states[1:], (END, "")], strict=True):
            seen.seen += [Seen(since + tenth / 10, name, state) for tenth in range(round(10 * (until - since)))]
    return seen


def bad_balance(name: str) -> Balance:
    """What a system comes to that is bad in one way."""
    ledger, effects = BAD_LEDGERS[name]
    return compare(ledger, effects, {} if name == "wrong_totals" else totals_of(effects))


def answer(seconds: float) -> httpx.Response:
    """A response that took so long."""
    response = httpx.Response(200)
    response.elapsed = timedelta(seconds=seconds)
    return response


LATE = {one.id: replace(one, invoked=one.invoked - 1000) for one in LEDGER.values()}
MEMORY = {"agent": {"pod-1": 100.0, "pod-2": 120.0}, "sidecar": {"pod-1": 60.0, "pod-2": 55.0}}
LEAKED = {"agent": {"pod-1": 5000.0, "pod-2": 120.0}, "sidecar": {"pod-1": 60.0, "pod-2": 5000.0}}
Judge = Callable[[str], Numbers]
JUDGED: dict[str, tuple[Judge, Judge]] = {
    # a good recording, and a bad one
    "took": (lambda name: numbers.took(name, UNDONE, UNDONE), lambda name: numbers.took(name, KILLED, 5000)),
    "slowest": (
        lambda name: numbers.slowest(name, [answer(0.01), Seen(1, "query", "200", ms=20)]),
        lambda name: numbers.slowest(name, [answer(0.01), Seen(1, "query", "200", ms=900_000)]),
    ),
    "count": (lambda name: numbers.count(name, []), lambda name: numbers.count(name, ["found"] * 5000)),
    "most": (lambda name: numbers.most(name, 0, 0), lambda name: numbers.most(name, 0, 5000, 0)),
    "share": (
        lambda name: numbers.share(name, timeline(RECORDED), "health", KILLED, "200"),
        lambda name: numbers.share(name, timeline(BAD), "health", KILLED, "200"),
    ),
    "recovered": (
        lambda _: numbers.recovered(timeline(RECORDED), KILLED, BACK),
        lambda _: numbers.recovered(timeline(BAD), KILLED, BACK),
    ),
    "endpoints_gone": (
        lambda _: numbers.endpoints_gone(timeline(RECORDED), KILLED, BACK),
        lambda _: numbers.endpoints_gone(timeline(BAD), KILLED, END),
    ),
    "without_endpoint": (
        lambda _: numbers.without_endpoint(timeline(RECORDED), BACK + 2),
        lambda _: numbers.without_endpoint(timeline(BAD), BACK + 2),
    ),
    "balanced": (
        lambda _: numbers.balanced(compare(LEDGER, GOOD, totals_of(GOOD))),
        lambda name: numbers.balanced(compare(LEDGER, GOOD, totals_of(GOOD)), bad_balance(name)),
    ),
    "slowest_applied": (
        lambda _: numbers.slowest_applied(LEDGER, GOOD),
        lambda _: numbers.slowest_applied(LATE, GOOD),
    ),
    "grown": (lambda _: numbers.grown(MEMORY, MEMORY), lambda _: numbers.grown(LEAKED, MEMORY)),
    "held": (lambda _: numbers.held(MEMORY), lambda _: numbers.held(LEAKED)),
}
NAMES = {
    "recovered": {"ready_again_s"},
    "endpoints_gone": {"endpoints_gone_s"},
    "without_endpoint": {"without_endpoint"},
    "balanced": {field.name for field in fields(Balance)},
    "slowest_applied": {"slowest_applied_s"},
    "grown": {"agent_grew_mib", "sidecar_grew_mib"},
    "held": {"agent_mib", "sidecar_mib"},
}
"""Of those that are not told for which bound."""
JUDGES_BY = {"judge.within": "took", "growing": "grown", "pytest.mark.usefixtures('memory')": "grown"}
"""What waits, or encloses, and judges by one of them."""


def judged() -> dict[str, dict[str, set[str]]]:
    """By which functions each module's tests come to a number, and the numbers, for every entry that they prove."""
    found: dict[str, dict[str, set[str]]] = {}
    for module in Path(acceptance.__file__).parent.glob("**/test_*.py"):
        calls = [node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call)]
        made: dict[str, set[str]] = defaultdict(set)
        for call in calls:
            called = ast.unparse(call.func)
            function = JUDGES_BY.get(ast.unparse(call), JUDGES_BY.get(called, called))
            named = {one.value for one in call.args[:1] if isinstance(one, ast.Constant)}
            for name in NAMES.get(function, named if function in JUDGED else ()):
                made[str(name)].add(function)
        for one in calls:
            if ast.unparse(one.func) == "proves":
                found |= {ast.literal_eval(entry_id): made for entry_id in one.args}
    return found


MADE = judged()
BOUNDS = [(entry.id, name) for entry in ENTRIES.values() for name in entry.bounds]


def hold(entry_id: str, name: str, found: Numbers) -> None:
    """Hold what a recording comes to against a bound as a run does. Raises UnmetError when it is exceeded."""
    result = Result(ENTRIES[entry_id])
    measured = [one for one in found if one.name == name]
    assert measured, f"no number {name}"
    for one in measured:
        result.measure(one.name, one.value, 1, one.such_as)
    result.require_bounds()


@pytest.mark.parametrize(("entry_id", "name"), BOUNDS)
def test_a_bad_recording_exceeds_the_bound_and_a_good_one_does_not(entry_id: str, name: str) -> None:
    functions = MADE[entry_id][name]
    assert functions, f"nothing that {entry_id} does comes to {name}"
    for good, bad in (JUDGED[one] for one in functions):
        hold(entry_id, name, good(name))
        with pytest.raises(UnmetError, match=rf"{name} of at most .* seen {name} [\d.e+]+ \(limit "):
            hold(entry_id, name, bad(name))


def test_every_entry_is_proven_by_a_test() -> None:
    assert ENTRIES.keys() - MADE.keys() == set()


def test_every_judging_function_has_its_recordings() -> None:
    public = {name for name, one in vars(numbers).items() if callable(one) and not isinstance(one, type)}
    ours = {name for name in public if getattr(numbers, name).__module__ == numbers.__name__ and name[0] != "_"}
    assert ours == JUDGED.keys()


def test_a_number_says_what_it_counts() -> None:
    (found,) = numbers.count("failed_requests", [Seen(1, "query", "500", detail="x" * 400), "b", "c", "d"])
    assert found == Number("failed_requests", 4, f"{'query: 500 ' + 'x' * 289}, b, c")
    (slow,) = numbers.slowest("answer_s", [Seen(1, "query", "503", ms=3000, detail="late")])
    assert slow == Number("answer_s", 3, "query: 503 late")


def test_the_recorded_outage_comes_to_what_it_was_seen_to_be() -> None:
    seen = timeline(RECORDED)
    found = [*numbers.recovered(seen, KILLED, BACK), *numbers.endpoints_gone(seen, KILLED, BACK)]
    assert {one.name: pytest.approx(one.value, abs=0.11) for one in found} == {
        "ready_again_s": 1.1,
        "endpoints_gone_s": 12.0,
    }
    assert [one.value for one in numbers.share("unhealthy_percent", seen, "health", KILLED, "200")] == [0]


def test_a_readiness_that_flickers_is_not_green_until_it_stays() -> None:
    assert [one.value for one in numbers.recovered(timeline(BAD), KILLED, BACK)] == [
        pytest.approx(300 - BACK, abs=0.11)
    ]
    with pytest.raises(NotYetError, match="ready is 503"):
        numbers.recovered(timeline({"ready": ((0.4, "200"), (1.7, "503"))}), KILLED, BACK)
