"""What became of one criterion or scenario."""

from dataclasses import dataclass, field
from typing import Any

from acceptance.harness.catalogue import Entry
from acceptance.harness.diagnostics import Explanation
from acceptance.harness.timeline import Timeline


@dataclass
class Result:
    """One entry's outcome, its numbers beside their bounds, and what was seen."""

    entry: Entry
    duration_s: float = 0.0
    retries: int = 0
    numbers: dict[str, tuple[float, float | None]] = field(default_factory=dict)
    ran: bool = False
    failures: list[Explanation] = field(default_factory=list)
    timeline: Timeline = field(default_factory=Timeline)

    @property
    def outcome(self) -> str:
        """`passed`, `failed`, or `not run` for a test that did not get to its end."""
        if self.failures:
            return "failed"
        return "passed" if self.ran else "not run"

    def fail(self, explanation: Explanation) -> None:
        """Note a failure; a test may fail and its clean-up too."""
        self.failures.append(explanation)

    def as_data(self) -> dict[str, Any]:
        """This result as report.json has it."""
        return {
            "id": self.entry.id,
            "title": self.entry.title,
            "checks": self.entry.checks,
            "outcome": self.outcome,
            "duration_s": round(self.duration_s, 3),
            "retries": self.retries,
            "numbers": {name: {"value": value, "bound": bound} for name, (value, bound) in self.numbers.items()},
            "failures": [failure.as_data() for failure in self.failures],
        }
