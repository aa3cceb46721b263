"""The run's reports: report.json (see report.schema.json), summary.md, report.html, and a timeline per entry."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from acceptance.harness.errors import UnmetError
from acceptance.harness.suite.artifacts import Artifacts
from acceptance.harness.suite.catalogue import Entry
from acceptance.harness.suite.explanation import Explanation
from acceptance.harness.suite.page import page
from acceptance.harness.watching.timeline import Timeline


@dataclass
class Result:
    """One entry's outcome, its numbers beside their bounds, and what was seen."""

    entry: Entry
    duration_s: float = 0.0
    retries: int = 0
    numbers: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    exceeded: dict[str, str] = field(default_factory=dict)
    """What counts towards each bound that is exceeded, until that was told."""
    ran: bool = False
    not_applicable: str = ""
    """Why there was nothing to hit here."""
    failures: list[Explanation] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def outcome(self) -> str:
        """`passed`, `failed`, `not applicable` here, or `not run` for a test that did not get to its end."""
        if self.failures:
            return "failed"
        if self.not_applicable:
            return "not applicable"
        return "passed" if self.ran else "not run"

    def measure(self, name: str, value: float, time_scale: float, such_as: str = "") -> None:
        """Note a number, of several of one name the largest, and whether it is above its bound, with what it counts."""
        bound = self.entry.bounds.get(name)
        limit = bound * time_scale if bound is not None and name.endswith("_s") else bound
        largest = max(round(value, 3), self.numbers.get(name, (-math.inf, None))[0])
        self.numbers[name] = (largest, limit)
        if limit is not None and not value <= limit:  # no number is none either
            self.exceeded[name] = such_as and f", such as {such_as}"

    def require_bounds(self, beside: Exception | None = None) -> None:
        """Raise UnmetError with every bound that is exceeded and was not told yet, beside what else went wrong."""
        exceeded, self.exceeded = self.exceeded, {}
        if not exceeded:
            return
        told = [(name, *self.numbers[name], such_as) for name, such_as in exceeded.items()]
        bounds = [f"{name} of at most {limit:g}" for name, _, limit, _ in told]
        seen = [f"{name} {value:g} (limit {limit:g}){such_as}" for name, value, limit, such_as in told]
        if beside:
            other = (
                beside if isinstance(beside, UnmetError) else UnmetError("the test to come to its end", repr(beside))
            )
            bounds, seen = [other.expected, *bounds], [other.seen, *seen]
        raise UnmetError("; ".join(bounds), "; ".join(seen))

    def fail(self, explanation: Explanation) -> None:
        """Note a failure; a test may fail and its clean-up too."""
        self.failures.append(explanation)

    def properties(self) -> list[tuple[str, object]]:
        """The numbers as JUnit has them."""
        return [("retries", self.retries), *((name, value) for name, (value, _) in self.numbers.items())]

    def as_data(self) -> dict[str, Any]:
        """This result as report.json has it."""
        return {
            "id": self.entry.id,
            "title": self.entry.title,
            "checks": self.entry.checks,
            "outcome": self.outcome,
            "reason": self.not_applicable,
            "duration_s": round(self.duration_s, 3),
            "retries": self.retries,
            "numbers": {name: {"value": value, "bound": bound} for name, (value, bound) in self.numbers.items()},
            "failures": [failure.as_data() for failure in self.failures],
        }


MARKS = {"passed": "✅ passed", "failed": "❌ failed", "not run": "⚠️ not run", "not applicable": "⚪ not applicable"}
HEAD = "| | id | title | seconds | numbers (bound) |\n|---|---|---|---|---|"


def write(artifacts: Artifacts, summary: dict[str, Any], timelines: dict[str, Timeline]) -> None:
    """Write every report of a run into its folder."""
    texts = {
        "report.json": json.dumps(summary, indent=2, ensure_ascii=False) + "\n",
        "summary.md": markdown(summary),
        "report.html": page(summary, timelines),
    }
    texts |= {f"timeline/{entry}.jsonl": "\n".join(seen.lines()) for entry, seen in timelines.items() if seen.seen}
    for name, text in texts.items():
        artifacts.keep(name, text)


def markdown(summary: dict[str, Any]) -> str:
    """The run as a table, for the summary of a CI step."""
    facts = f"Exit code {summary['exit_code']}, time scale {summary['time_scale']:g}. {summary['stopped']}"
    lines = [f"# Acceptance run {summary['run']}", "", facts, "", HEAD]
    for result in summary["results"]:
        cells = [MARKS[result["outcome"]], result["id"], result["title"], f"{result['duration_s']:.1f}"]
        cells.append(", ".join(numbers(result)) or result["reason"])
        lines.append(f"| {' | '.join(cells)} |")
    for result in summary["results"]:
        for failure in result["failures"]:
            lines += ["", f"## {result['id']}", "", *(f"- {name}: {text}" for name, text in failure.items() if text)]
    return "\n".join(lines) + "\n"


def numbers(result: dict[str, Any]) -> list[str]:
    """Each number of a result with its bound in parentheses."""
    return [
        f"{name} {one['value']:g}" + ("" if one["bound"] is None else f" ({one['bound']:g})")
        for name, one in result["numbers"].items()
    ]
