"""Whether events are taken from Kafka: asks the group, the members, and the log where one waits too long."""

import asyncio
import socket
from collections.abc import Iterable
from contextlib import suppress
from time import monotonic

from app import SERVICE
from app.errors import DependencyUnavailableError
from app.health.flow import Flow, Stuck
from app.kafka import batches
from app.kafka.batches import Batch
from app.kafka.connection import TOPICS
from app.kafka.group import Group, Member, Partition, address

REDELIVERED = 3
"""So many times longer an event may be delivered again and again: as long as a few attempts take."""
ELECTION = 4
"""A partition is without a leader for the moment of an election; a lost broker is missed by the others late enough."""


class Consumption:
    """Complains of partitions in which events wait although nothing keeps them, as far as they are this replica's."""

    def __init__(self, group: Group, flow: Flow, timeout_seconds: float) -> None:
        self.elsewhere: list[str] = []
        """Partitions of other replicas whose events wait too long: those have to complain."""
        self.is_member: bool | None = None
        """Whether this replica's sidecar is in the group, and for every topic; None while nobody knows."""
        self.is_partial = False
        """Whether it is there for some topics only."""
        self.is_missed = False
        """Whether events wait too long in a partition that nobody in the group has."""
        self._group = group
        self._flow = flow
        self._timeout_seconds = timeout_seconds
        self._heads: dict[tuple[Partition, int], Batch | None] = {}
        self._since: dict[str, float] = {}
        self._own: set[str] = set()

    def pause(self) -> None:
        """Forget since when events wait."""
        self.elsewhere, self.is_member, self.is_missed = [], None, False
        self._since.clear()
        self._flow.pause()

    async def complaints(self, patience_seconds: float) -> list[str]:
        """Say what has been wrong for so long; never fails: a group that cannot be read is a complaint in time."""
        unknown, complaints = "", []
        self.is_member = None
        try:
            async with asyncio.timeout(self._timeout_seconds):
                complaints = await self._ask(patience_seconds)
        except DependencyUnavailableError as error:
            unknown = error.reason
        except TimeoutError:
            unknown = f"no answer within {self._timeout_seconds:g} s"
        faults = {"lag unknown": (patience_seconds, f": {unknown}")} if unknown else {}
        faults |= {f"{one} has no leader": (patience_seconds / ELECTION, "") for one in self._group.leaderless}
        return self._lasting(faults) + complaints

    async def _ask(self, patience_seconds: float) -> list[str]:
        positions = await self._group.positions()
        now = monotonic()
        late = [
            one
            for one in self._flow.observe(positions, now)
            if now - one.silent_since >= patience_seconds or now - one.since >= patience_seconds * REDELIVERED
        ]
        heads = {one: await self._head(one) for one in late}
        self._heads = {(one.partition, one.offset): head for one, head in heads.items()}
        waits = [one for one, head in heads.items() if head is None or head.has_records]
        found, own = await self._group.members(), await self._addresses()
        members = found or []
        here = [member.topics for member in members if member.host in own]
        self.is_member = any(topics >= {*TOPICS} for topics in here) if own and found is not None else None
        self.is_partial = bool(here) and not self.is_member
        self.is_missed = any(_holder(one, members) is None for one in waits)
        told = {one: _describe(one, now, _holder(one, members), heads[one]) for one in waits}
        ours = [one for one in waits if _is_ours(_holder(one, members), members, own)]
        self.elsewhere = [told[one] for one in waits if one not in ours]
        return [told[one] for one in ours]

    async def _head(self, stuck: Stuck) -> Batch | None:
        """Look at the batch that waits, once; None when the log does not show one."""
        place = (stuck.partition, stuck.offset)
        if place in self._heads:
            return self._heads[place]
        found = [one for one in batches.read(await self._group.fetch(*place)) if one.last >= stuck.offset]
        if found and not any(one.has_records for one in found):
            # behind a transaction there is a mark that no consumer is given, so its offset is never committed
            self._flow.skip(stuck.partition, found[-1].last + 1)
        self._heads[place] = next((one for one in found if one.has_records), found[0] if found else None)
        return self._heads[place]

    async def _addresses(self) -> set[str]:
        """This pod's own; asked for until they are known, in a thread."""
        if not self._own:
            with suppress(OSError):
                found = await asyncio.get_running_loop().getaddrinfo(socket.gethostname(), None)
                self._own = {address(str(one[0])) for *_, one in found}
        return self._own

    def _lasting(self, faults: dict[str, tuple[float, str]]) -> list[str]:
        """Remember since when there are these faults, and return those that outlast their patience, with details."""
        now = monotonic()
        self._since = {fault: self._since.get(fault, now) for fault in faults}
        return [fault + detail for fault, (patience, detail) in faults.items() if now - self._since[fault] >= patience]


def _holder(stuck: Stuck, members: Iterable[Member]) -> Member | None:
    return next((member for member in members if stuck.partition in member.partitions), None)


def _is_ours(holder: Member | None, members: Iterable[Member], own: set[str]) -> bool:
    """Whether this replica has to complain: what another one of ours holds, that one does."""
    if holder is None or holder.client_id != SERVICE or holder.host in own:
        return True
    # a replica that is not in the group cannot tell the others from it: their addresses may be those of nodes
    return not any(member.host in own for member in members)


def _describe(stuck: Stuck, now: float, holder: Member | None, head: Batch | None) -> str:
    who = "nobody consumes it"
    if stuck.silent_since > stuck.since:
        who = "and that one is delivered again and again"
    elif holder:
        who = f"{holder.client_id} at {holder.host} has it and does not take them"
    what = f", in a batch of {head.size} bytes, {head.codec}" if head else ""
    waits = f"{stuck.events} events wait since {now - stuck.since:.0f} s at offset {stuck.offset}"
    return f"{stuck.partition}: {waits}{what}, {who}"
