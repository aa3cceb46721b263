"""What sidecars count of what went through them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from acceptance.harness.errors import NotYetError
from acceptance.harness.probes.api import Api


@dataclass(frozen=True)
class Counter:
    """The series of one Prometheus counter that carry some labels, added up over all whose metrics are asked."""

    metrics: Callable[[], Iterable[Api]]
    name: str
    labels: dict[str, str] = field(default_factory=dict)

    def value(self) -> float:
        """How much was counted until now; 0 before the first."""
        lines = [line for api in self.metrics() for line in api.call("GET", "/metrics").text.splitlines()]
        wanted = [f'{label}="{value}"' for label, value in self.labels.items()]
        series = [line for line in lines if line.startswith(f"{self.name}{{") and all(one in line for one in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in series)

    def require(self, value: float) -> None:
        """Raise NotYetError until so much was counted."""
        if (seen := self.value()) < value:
            raise NotYetError(f"{self.name} {self.labels} is {seen:.0f}, not {value:.0f}")
