"""A moment in the sidecar's consumer group: who is a member may say where it goes on."""

from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocol  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import MemberIdRequired  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.commit import OffsetCommitRequest  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.group import (  # type: ignore[import-untyped]  # it ships no types
    JoinGroupRequest,
    LeaveGroupRequest,
    SyncGroupRequest,
)

from app.errors import DependencyUnavailableError
from app.kafka.connection import Kafka, fault
from app.kafka.group import Group, Partition

PROTOCOL = "range"
"""The Component's default, which every member has to share."""
SESSION_MS, REBALANCE_MS = 10_000, 20_000
KEEP_FOR_EVER = -1


async def go_on(kafka: Kafka, group: Group, partition: Partition, offset: int) -> None:
    """Let the group go on at an offset of a partition, whoever consumes meanwhile.

    Kafka takes an offset from members alone, and the others ask for it anew once this one leaves.
    DependencyUnavailableError when the brokers do not answer, or refuse.
    """
    node = await group.coordinator()
    generation, member = await _join(kafka, node, group.name)
    try:
        wanted = [(partition.topic, [(partition.number, offset, "")])]
        request = OffsetCommitRequest(group.name, generation, member, KEEP_FOR_EVER, wanted)
        ((_, ((_, code),)),) = (await kafka.ask(request, node)).topics
        _require(group.name, code)
    finally:
        await kafka.ask(LeaveGroupRequest(group.name, member), node)


async def _join(kafka: Kafka, node: int, group: str) -> tuple[int, str]:
    """Become a member that takes no partition: its generation and id."""
    answer = await _ask_to_join(kafka, node, group, "")
    if answer.error_code == MemberIdRequired.errno:
        answer = await _ask_to_join(kafka, node, group, answer.member_id)
    _require(group, answer.error_code)
    # a leader that assigns nothing: the others are asked again as soon as it leaves
    nothing = ConsumerProtocol.ASSIGNMENT(0, [], b"").encode()
    assignments = [(member[0], nothing) for member in answer.members] if answer.leader_id == answer.member_id else []
    sync = SyncGroupRequest(group, answer.generation_id, answer.member_id, None, assignments)
    _require(group, (await kafka.ask(sync, node)).error_code)
    return answer.generation_id, answer.member_id


async def _ask_to_join(kafka: Kafka, node: int, group: str, member: str) -> Any:  # noqa: ANN401 - it ships no types
    protocol = (PROTOCOL, ConsumerProtocol.METADATA(0, [], b"").encode())
    request = JoinGroupRequest(
        group, SESSION_MS, REBALANCE_MS, member, None, ConsumerProtocol.PROTOCOL_TYPE, [protocol]
    )
    return await kafka.ask(request, node)


def _require(group: str, code: int) -> None:
    if name := fault(code):
        raise DependencyUnavailableError("pubsub", f"group {group}: {name}")
