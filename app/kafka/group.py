"""The consumer group by which the sidecar takes events, seen from the brokers: where it is, and who is in it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, NamedTuple

from aiokafka.coordinator.protocol import ConsumerProtocol  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.admin import DescribeGroupsRequest  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.commit import OffsetFetchRequest  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.coordination import FindCoordinatorRequest  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.fetch import FetchRequest  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.offset import OffsetRequest, OffsetResetStrategy  # type: ignore[import-untyped]  # no types

from app.errors import DependencyUnavailableError
from app.kafka.connection import TOPICS, Kafka, fault

FETCH_BYTES = 65536
"""Asked for of a partition; of one batch that is larger, a broker sends the whole."""
SIDECAR_BYTES = 1024 * 1024
"""What a sidecar asks for, and takes all of or nothing (components-contrib, `consumerFetchDefault`)."""


class Partition(NamedTuple):
    """A partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.number}"


class Position(NamedTuple):
    """Offsets of a partition: the next one that the group takes, -1 without any, the first record's, and the next's."""

    committed: int
    start: int
    end: int


class Member(NamedTuple):
    """A member of the group, where it is, what it subscribed to, and what it was given."""

    client_id: str
    host: str
    topics: frozenset[str]
    partitions: frozenset[Partition]


class Group:
    """A consumer group of our topics; DependencyUnavailableError from every question that gets no answer."""

    def __init__(self, kafka: Kafka, name: str) -> None:
        self.name = name
        self.leaderless: list[Partition] = []
        """Nothing can be read from these, nor written to them."""
        self._kafka = kafka
        self._leaders: dict[Partition, int] = {}
        self._coordinator = 0

    async def positions(self) -> dict[Partition, Position]:
        """Where the group is in every partition that has a leader."""
        topics = await self._kafka.describe_topics()
        self._leaders = {
            Partition(topic["topic"], one["partition"]): one["leader"]
            for topic in topics
            for one in topic["partitions"]
        }
        led: dict[int, list[Partition]] = defaultdict(list)
        for partition, leader in self._leaders.items():
            led[leader].append(partition)
        self.leaderless = led.pop(-1, [])
        # before the ends: never is more committed than there was
        committed = await self._committed(self._leaders.keys() - set(self.leaderless))
        positions: dict[Partition, Position] = {}
        for leader, partitions in led.items():
            starts = await self._offsets(leader, partitions, OffsetResetStrategy.EARLIEST)
            ends = await self._offsets(leader, partitions, OffsetResetStrategy.LATEST)
            positions |= {one: Position(committed[one], starts[one], ends[one]) for one in partitions}
        return positions

    async def members(self) -> list[Member] | None:
        """Who is in the group; None where the broker does not tell, as when consumers of a newer protocol share it."""
        answer = await self._kafka.ask(DescribeGroupsRequest([self.name]), self._coordinator)
        (group,) = answer.to_object()["groups"]
        _expect(f"group {self.name}", group)
        if group["protocol_type"] != ConsumerProtocol.PROTOCOL_TYPE:
            return None
        return [
            Member(
                one["client_id"],
                address(one["client_host"].rpartition("/")[2]),
                _subscribed(one["member_metadata"]),
                _assigned(one["member_assignment"]),
            )
            for one in group["members"]
        ]

    async def fetch(self, partition: Partition, offset: int, size: int = FETCH_BYTES) -> bytes:
        """Batches of records as they are in the log, from the one that has this offset on; none past the end.

        The first is whole; the last of so many bytes may be cut off.
        """
        wanted = [(partition.topic, [(partition.number, offset, size)])]
        answer = await self._kafka.ask(FetchRequest(0, 0, size, 0, wanted), self._leaders[partition])
        ((_, ((_, code, *_, batches),)),) = answer.topics
        _expect(str(partition), {"error_code": code})
        return bytes(batches or b"")

    async def coordinator(self) -> int:
        """The broker that keeps the group."""
        answer = await self._kafka.ask(FindCoordinatorRequest(self.name, 0))
        _expect(f"group {self.name}", answer.to_object())
        node: int = answer.coordinator_id
        return node

    async def _committed(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        request = OffsetFetchRequest(self.name, _by_topic((one, one.number) for one in partitions))
        self._coordinator = await self.coordinator()
        answer = (await self._kafka.ask(request, self._coordinator)).to_object()
        _expect(f"group {self.name}", {"error_code": 0, **answer})
        return {partition: one["offset"] for partition, one in _each(answer)}

    async def _offsets(self, leader: int, partitions: Iterable[Partition], which: int) -> dict[Partition, int]:
        request = OffsetRequest(-1, 0, _by_topic((one, (one.number, which)) for one in partitions))
        answer = (await self._kafka.ask(request, leader)).to_object()
        return {partition: one["offset"] for partition, one in _each(answer)}


def _by_topic(wanted: Iterable[tuple[Partition, Any]]) -> list[tuple[str, list[Any]]]:
    topics: dict[str, list[Any]] = defaultdict(list)
    for partition, item in wanted:
        topics[partition.topic].append(item)
    return list(topics.items())


def _each(answer: dict[str, Any]) -> Iterator[tuple[Partition, dict[str, Any]]]:
    for topic in answer["topics"]:
        for one in topic["partitions"]:
            partition = Partition(topic["topic"], one["partition"])
            _expect(str(partition), one)
            yield partition, one


def _expect(what: str, answer: dict[str, Any]) -> None:
    if name := fault(answer["error_code"]):
        raise DependencyUnavailableError("pubsub", f"{what}: {name}")


def address(text: str) -> str:
    """Write an address in the one way in which it is compared; Java and Python write those of IPv6 differently."""
    try:
        return ip_address(text.partition("%")[0]).compressed
    except ValueError:
        return text


def _subscribed(metadata: bytes) -> frozenset[str]:
    if not metadata:  # while the members agree on who gets what: nothing is wrong with that
        return frozenset(TOPICS)
    with suppress(ValueError, TypeError):
        return frozenset(ConsumerProtocol.METADATA.decode(metadata).subscription)
    return frozenset()  # what another client wrote is its own affair


def _assigned(assignment: bytes) -> frozenset[Partition]:
    # none while the members agree on who gets what
    with suppress(ValueError, TypeError):
        return frozenset(Partition(*one) for one in ConsumerProtocol.ASSIGNMENT.decode(assignment).partitions())
    return frozenset()
