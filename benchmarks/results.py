"""What contestants did in the rounds of a comparison, as a table beside the agent."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.usage import Usage

AGENT = "agent"
"""The contestant that all others are beside."""


@dataclass(frozen=True)
class Result:
    """What a contestant did in a round: events a second, CPU by container, and what is wrong with its ledger."""

    events: int
    per_s: float
    used: Mapping[str, Usage]
    wrong: str
    ms: Mapping[str, float] = field(default_factory=dict)
    """How long a request took, by percentile."""


Rounds = Mapping[str, Sequence[Result]]
"""By contestant, the agent among them."""


@dataclass(frozen=True)
class Line:
    """The medians of a contestant's rounds."""

    name: str
    per_s: float
    lowest: float
    highest: float
    agents_share: float
    """What the agent does of its events a second."""
    cpu_us: dict[str, float]
    """CPU of an event, by container."""
    throttled: float
    ms: dict[str, float]


@dataclass(frozen=True)
class Section:
    """A comparison: its name, what was done, what came of it, and what was wrong in any round."""

    name: str
    title: str
    lines: list[Line]
    wrong: list[str]
    is_charted: bool = True


def say(number: int, name: str, result: Result) -> None:
    """Print what came of a round, when it is over."""
    took = f", p90 {result.ms['p90']:.1f} ms" if result.ms else ""
    print(f"    round {number + 1}: {name}: {result.per_s:,.0f} events/s{took}  {result.wrong}", flush=True)


def lines(found: Rounds, agent: str) -> list[Line]:
    """The medians of each contestant, beside those of the agent."""
    agents = median(one.per_s for one in found[agent])
    return [_line(name, results, agents) for name, results in found.items()]


def table(compared: Sequence[Line]) -> Iterator[str]:
    """A table in Markdown, which is one in a terminal too."""
    percentiles = list(compared[0].ms)
    heads = ["", "events/s (least, most)", "the agent's share", *percentiles, "CPU us an event", "throttled"]
    width = max(len(one.name) for one in compared)
    yield f"| {heads[0]:{width}} | {' | '.join(heads[1:])} |"
    yield f"|{'---|' * len(heads)}"
    for one in compared:
        cells = [
            f"{one.per_s:,.0f} ({one.lowest:,.0f}, {one.highest:,.0f})",
            f"{one.agents_share:.2f}",
            *(f"{one.ms[name]:.1f} ms" for name in percentiles),
            ", ".join(f"{name} {cost:.0f}" for name, cost in one.cpu_us.items()),
            f"{one.throttled:.0%}",
        ]
        yield f"| {one.name:{width}} | {' | '.join(cells)} |"


def wrongs(found: Rounds) -> list[str]:
    """What was wrong in any round: a fast one that loses an event has failed."""
    return [f"{name}: {one.wrong}" for name, results in found.items() for one in results if one.wrong]


def _line(name: str, results: Sequence[Result], agents: float) -> Line:
    speeds = [one.per_s for one in results]
    containers = dict.fromkeys(container for one in results for container in one.used)
    cpu_us = {
        container: median(
            one.used[container].microseconds / max(one.events, 1) for one in results if container in one.used
        )
        for container in containers
    }
    held = median(max((usage.throttled for usage in one.used.values()), default=0.0) for one in results)
    ms = {percentile: median(one.ms[percentile] for one in results) for percentile in results[0].ms}
    middle = median(speeds)
    return Line(name, middle, min(speeds), max(speeds), agents / middle if middle else 0.0, cpu_us, held, ms)
