"""A topic as a consumer of the run's own sees it, from inside the cluster."""

import json
from dataclasses import dataclass
from typing import Any

from acceptance.agent.record import Record
from acceptance.harness.probes.toolbox import Toolbox

PRODUCED_S = 120
ASKED_S = 15


@dataclass(frozen=True)
class Topic:
    """One topic, read in a consumer group of the run's own that leaves no offsets behind."""

    toolbox: Toolbox
    name: str
    group: str

    def offsets(self) -> dict[str, int]:
        """Where each partition ends now. Raises UnmetError when the broker or the topic is away."""

        def ends() -> dict[str, int]:
            offsets: dict[str, int] = self.toolbox.run("topic", "offsets", self._wanted(within_s=0))
            return offsets

        return self.toolbox.waiting.until(f"the end of {self.name}", ends, ASKED_S)

    def find(self, event_id: str, offsets: dict[str, int], within_s: float) -> dict[str, Any] | None:
        """The first record behind `offsets` that carries the id: partition, offset, key, value.

        The time is stretched by the time scale.
        """
        wanted = self._wanted(id=event_id, offsets=offsets, within_s=within_s * self.toolbox.waiting.time_scale)
        found: dict[str, Any] | None = self.toolbox.run("topic", "find", wanted, timeout_s=within_s + 20)
        return found

    def count(self, event_id: str, offsets: dict[str, int]) -> int:
        """How many records behind `offsets`, up to where the topic ends now, carry the id."""
        found: int = self.toolbox.run("topic", "count", self._wanted(id=event_id, offsets=offsets, within_s=ASKED_S))
        return found

    def write(self, records: list[Record]) -> list[tuple[int, int]]:
        """Partition and offset of each record, once the broker has them all. Raises KubectlError if it refuses one."""
        lines = "\n".join(record.line() for record in records)
        places = self.toolbox.run("produce", self._wanted(), timeout_s=PRODUCED_S, stdin=lines)
        return [(partition, offset) for partition, offset in places]

    def inflate(self, partition: int, codec: str, mib: int) -> dict[str, Any]:
        """What the broker says (error, offset, bytes) to a compressed batch that unpacks to so many MiB."""
        wanted = self._wanted(partition=partition, codec=codec, mib=mib)
        answer: dict[str, Any] = self.toolbox.run("inflate", wanted, timeout_s=PRODUCED_S)
        return answer

    def _wanted(self, **more: object) -> str:
        return json.dumps({"group": self.group, "topic": self.name, **more})
