"""A replica that cannot apply events, beside a healthy one: no event may wait for it."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial

import pytest

from acceptance.agent import contract, replicas
from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import scaled
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import balanced, most, slowest_applied, took
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.load import Load, writes
from acceptance.harness.watching.timeline import Timeline

CLIENTS = 24
"""As many keys: events on every partition."""
PER_SECOND = 12
SCALED_S = 90
SETTLED_S = 60
REVISIONS = {
    "database not found": {"POSTGRES_HOST": "nowhere.invalid"},
    "wrong password": {"POSTGRES_PASSWORD": "wrong"},
    "another token": {"APP_API_TOKEN": "of-before"},
}
ON_RECORD = """
SELECT "partition", "offset", extract(epoch FROM recorded_at)::float8 AS at FROM dead_letters
WHERE "partition" = ANY($1::integer[]) AND recorded_at >= to_timestamp($2)
"""


@dataclass
class Writing:
    """Writes to one healthy replica, records that no replica can apply beside them, and what became of both."""

    load: Load
    effects: Effects
    database: Database
    topic: Topic
    waiting: Waiting
    judge: Judge
    bad: set[tuple[int, int]] = field(default_factory=set)
    bad_since: float = 0.0

    def to(self, pod: Pod) -> AbstractContextManager[None]:
        """Write events of many keys to a pod, for the length of a block."""
        url = f"http://{pod.host}:{contract.APP_PORT}/publish"
        return self.load.sending(writes(url, PER_SECOND, self.effects.key, clients=CLIENTS, keep=True))

    def write_bad(self) -> None:
        """Write a record that can only be dead-lettered into each partition, the unfit replica's too."""
        self.bad_since = float(self.database.value("SELECT extract(epoch FROM clock_timestamp())::float8"))
        partitions = map(int, self.topic.offsets())
        # its own: the same bytes at the same place of a topic made anew would be on record already
        bad = f"not an event of {self.effects.key}".encode()
        self.bad = set(self.topic.write([Record(bad, partition=number) for number in partitions]))

    def require_all_applied_in_time(self) -> None:
        """Hold every write against PostgreSQL, and the longest that one waited for its effect, or for being recorded.

        Raises UnmetError when a bad record is not on record.
        """
        ledger = self.load.ledger()
        self.judge(balanced(self.effects.settle(ledger, SETTLED_S)), slowest_applied(ledger, self.effects.all()))
        recorded = self.waiting.until("every bad record to be on record", self._recorded, SETTLED_S)
        self.judge(took("slowest_recorded_s", self.bad_since, max(recorded.values())))
        self.judge(most("dead_lettered", self.effects.dead_lettered() - len(self.bad)))

    def _recorded(self) -> dict[tuple[int, int], float]:
        rows = self.database.rows(ON_RECORD, [partition for partition, _ in self.bad], self.bad_since)
        recorded = {(row["partition"], row["offset"]): row["at"] for row in rows}
        if missing := self.bad - recorded.keys():
            raise NotYetError(f"{len(missing)} of {len(self.bad)} are not, such as {min(missing)}")
        if (sent := self.effects.dead_lettered()) < len(self.bad):
            raise NotYetError(f"{sent} of {len(self.bad)} were sent to the dead letter topic")
        return {place: recorded[place] for place in self.bad}


@pytest.fixture
def writing(
    load: Load,
    effects: Effects,
    database: Database,
    topic: Topic,
    waiting: Waiting,
    judge: Judge,
) -> Writing:
    """Writes to a healthy replica."""
    return Writing(load, effects, database, topic, waiting, judge)


@proves("scenario-35-revision-without-database", "endurance-revision-refused", "endurance-revision-without-its-token")
def test_a_revision_that_cannot_apply_events_gets_none(
    system: System, entry: Entry, cluster: Cluster, faults: Faults, writing: Writing, waiting: Waiting, judge: Judge
) -> None:
    faults.require_steady()
    with writing.to(system.agent_pod()):
        with replicas.revised(faults, system, REVISIONS[entry.fault]) as pod:
            writing.write_bad()
            waiting.through(entry.lasts_s, f"{pod.name} to be of no use")
        judge.within("ended_s", f"{pod.name} to end", partial(replicas.require_gone, cluster, pod))
    writing.require_all_applied_in_time()


@contextmanager
def refused(faults: Faults, system: System, _: Timeline, pod: Pod) -> Iterator[None]:
    """Its database lets this replica in no more."""
    with replicas.refused(faults, system, pod):
        yield


@contextmanager
def frozen(faults: Faults, system: System, timeline: Timeline, _: Pod) -> Iterator[None]:
    """The oldest replica's application hangs."""
    with faults.frozen(system.agent, timeline, 0):
        yield


UNFIT: dict[str, Callable[[Faults, System, Timeline, Pod], AbstractContextManager[None]]] = {
    "refused": refused,
    "frozen": frozen,
}


@proves("scenario-36-replica-refused", "scenario-37-replica-frozen")
def test_no_event_waits_for_a_replica_that_can_apply_none_any_more(
    system: System,
    entry: Entry,
    cluster: Cluster,
    faults: Faults,
    journal: Journal,
    timeline: Timeline,
    writing: Writing,
    waiting: Waiting,
) -> None:
    faults.require_steady()
    with scaled(cluster, journal, system.agent, 2, waiting, SCALED_S):
        unfit, healthy = system.agent_pods()
        with writing.to(healthy), UNFIT[entry.fault](faults, system, timeline, unfit):
            writing.write_bad()
            waiting.through(entry.lasts_s, f"{unfit.name} to be of no use")
        writing.require_all_applied_in_time()


@proves("scenario-38-replica-ends-while-it-retries")
def test_a_replica_that_is_told_to_end_while_it_retries_lets_go(
    system: System,
    entry: Entry,
    cluster: Cluster,
    faults: Faults,
    journal: Journal,
    writing: Writing,
    waiting: Waiting,
    judge: Judge,
) -> None:
    faults.require_steady()
    with scaled(cluster, journal, system.agent, 2, waiting, SCALED_S):
        unfit, healthy = system.agent_pods()
        with writing.to(healthy), replicas.refused(faults, system, unfit):
            writing.write_bad()
            waiting.through(entry.lasts_s, "deliveries to be tried again")
            cluster.delete_pod(unfit.namespace, unfit.name)
            judge.within("ended_s", f"{unfit.name} to end", partial(replicas.require_gone, cluster, unfit))
        writing.require_all_applied_in_time()
