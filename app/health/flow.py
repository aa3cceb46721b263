"""When events wait although nothing keeps them: what was delivered, beside where the group is."""

from collections.abc import Mapping
from typing import NamedTuple

from app.kafka.group import Partition, Position


class Stuck(NamedTuple):
    """A partition in which events wait: how many, from which offset on, since when, and since the last delivery."""

    partition: Partition
    events: int
    offset: int
    since: float
    silent_since: float


class Flow:
    """The rule, without clock or network: nothing moves while neither the group commits nor a delivery comes."""

    def __init__(self) -> None:
        self.lag: int | None = None
        """Events that wait in all partitions, None while nobody knows."""
        self._last_delivery: dict[Partition, float] = {}
        self._done_until: dict[Partition, int] = {}
        self._first_end: dict[Partition, int] = {}
        self._stuck: dict[Partition, Stuck] = {}

    def deliver(self, partition: Partition, offset: int, now: float, *, done: bool) -> None:
        """Note a delivery to this replica, and whether its event is done with."""
        self._last_delivery[partition] = now
        if done:
            self._done_until[partition] = offset + 1

    def skip(self, partition: Partition, offset: int) -> None:
        """Note that nothing before this offset is for a consumer."""
        self._done_until[partition] = offset

    def pause(self) -> None:
        """Forget since when events wait: something else keeps them for now, and is told elsewhere."""
        self.lag = None
        self._stuck.clear()

    def observe(self, positions: Mapping[Partition, Position], now: float) -> list[Stuck]:
        """Take in where the group is, and return every partition in which events wait."""
        before, self._stuck = self._stuck, {}
        for partition, position in positions.items():
            offset = self._offset(partition, position)
            if offset < position.end:
                known = before.get(partition)
                since = known.since if known and known.offset == offset else now
                silent_since = max(since, self._last_delivery.get(partition, since))
                self._stuck[partition] = Stuck(partition, position.end - offset, offset, since, silent_since)
        self.lag = sum(stuck.events for stuck in self._stuck.values())
        return list(self._stuck.values())

    def _offset(self, partition: Partition, position: Position) -> int:
        """Where the group is: what it committed, unless more is known."""
        committed = position.committed
        if committed > position.end:
            # the topic was made anew: the consumer began at its start, and commits nothing until it is further again
            committed = self._first_end.setdefault(partition, position.end)
        else:
            self._first_end.pop(partition, None)
        done_until = self._done_until.get(partition, 0)
        if done_until > position.end:  # of the topic before
            done_until = 0
            del self._done_until[partition]
        return max(committed, position.start, done_until)
