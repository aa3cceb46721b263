"""What was seen, as numbers: the only ones that are held against the bounds of criteria.toml.

Each is fed by `tests/acceptance/harness/suite/test_numbers.py` with a bad recording that has to exceed its bounds.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields

from httpx import Response

from acceptance.harness.watching.ledger import Balance, Effect, Write
from acceptance.harness.watching.timeline import Seen, Timeline

Memory = Mapping[str, Mapping[str, float]]
"""MiB of each container, by pod."""

NAMED = 3


@dataclass(frozen=True)
class Number:
    """A number, and examples of what it counts."""

    name: str
    value: float
    such_as: str = ""


Numbers = Iterable[Number]


def took(name: str, since: float, until: float) -> Numbers:
    """The seconds between two moments of one clock, 0 for what was there before."""
    return [Number(name, max(0.0, until - since))]


def slowest(name: str, answers: Iterable[Seen | Response]) -> Numbers:
    """The longest an answer took, in seconds."""
    found = [(_seconds(one), _told(one)) for one in answers]
    return [Number(name, *max(found, default=(0.0, "")))]


def count(name: str, found: Collection[object], allowed: int = 0) -> Numbers:
    """How many there are beyond those that are allowed."""
    return [Number(name, max(0, len(found) - allowed), ", ".join(map(_told, [*found][:NAMED])))]


def most(name: str, *values: float) -> Numbers:
    """The largest of some values, or the only one. Raises ValueError without any."""
    return [Number(name, max(values))]


def share(name: str, timeline: Timeline, of: str, since: float, other_than: str) -> Numbers:
    """How many of the observations were of another state, in percent. Raises NotYetError without any."""
    return [Number(name, timeline.share_percent(of, since, other_than))]


def recovered(timeline: Timeline, red: float, back: float) -> Numbers:
    """How long after something is back /ready is green for good. Raises NotYetError while it is not."""
    return took("ready_again_s", back, timeline.settled("ready", "200", red))


def endpoints_gone(timeline: Timeline, since: float, until: float) -> Numbers:
    """How long the Service still had an endpoint of what was not ready."""
    seen = timeline.of("endpoints", since, until)
    last = max((one.at for one in seen if one.state != "0"), default=since)
    return took("endpoints_gone_s", since, last)


def without_endpoint(timeline: Timeline, since: float) -> Numbers:
    """How often the Service was seen without an endpoint."""
    return count("without_endpoint", [one for one in timeline.of("endpoints", since) if one.state == "0"])


def balanced(*balances: Balance) -> Numbers:
    """Every number of some ledgers: counts added up, the longest gap."""
    for name in [field.name for field in fields(Balance) if field.name != "named"]:
        values = [getattr(one, name) for one in balances]
        named = [one for balance in balances for one in balance.named.get(name, ())]
        yield Number(name, max(values) if name.endswith("_s") else sum(values), ", ".join(named[:NAMED]))


def slowest_applied(ledger: Mapping[str, Write], effects: Iterable[Effect]) -> Numbers:
    """The longest time in seconds from invoking a write to its effect."""
    found = [(one.at - ledger[one.id].invoked, one.id) for one in effects if one.id in ledger]
    return [Number("slowest_applied_s", *max(found))]


def grown(mebibytes: Memory, before: Memory) -> Numbers:
    """By how many MiB the memory of each container grew, in the pod where it grew most."""
    for name, held_by in mebibytes.items():
        by = [(max(0.0, mib - before[name][pod]), pod) for pod, mib in held_by.items()]
        yield Number(f"{name}_grew_mib", *max(by))


def held(mebibytes: Memory) -> Numbers:
    """The MiB of memory that each container holds, in the pod where it holds most."""
    for name, held_by in mebibytes.items():
        yield Number(f"{name}_mib", *max((mib, pod) for pod, mib in held_by.items()))


def _seconds(one: Seen | Response) -> float:
    return one.ms / 1000 if isinstance(one, Seen) else one.elapsed.total_seconds()


def _told(one: object) -> str:
    return f"{one.name}: {one.state} {one.detail}"[:300] if isinstance(one, Seen) else str(one)
