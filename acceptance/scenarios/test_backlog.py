"""Events published while the consumer is away."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from acceptance.conftest import Bound, Measure
from acceptance.harness import system
from acceptance.harness.api import Api
from acceptance.harness.audit import Audit
from acceptance.harness.catalogue import Entry, proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.journal import Journal
from acceptance.harness.ledger import ACKNOWLEDGED, Write
from acceptance.harness.record import Record, cloud_event
from acceptance.harness.topic import Topic
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import find
from acceptance.scenarios.conftest import MeasureBalances

EVENTS = {"faults": 2_000, "endurance": 20_000}
CLIENTS = 64
GONE_S = 60
BACK_S = 60


@proves("scenario-19-backlog", "endurance-backlog")
def test_a_backlog_is_applied_in_order_once_the_consumer_is_back(
    entry: Entry,
    cluster: Cluster,
    agent: Api,
    journal: Journal,
    topic: Topic,
    audit: Audit,
    waiting: Waiting,
    bound: Bound,
    measure: Measure,
    measure_balances: MeasureBalances,
) -> None:
    ledger = {one.id: one for one in backlog(audit.prefix, EVENTS[entry.tier])}
    system.until_steady(cluster, agent, waiting)
    with consumer_away(cluster, journal, waiting):
        places = topic.write([record(one) for one in ledger.values()])
        expect(not audit.effects(), "no effect while the consumer is away", f"{len(audit.effects())} effects")
    started = time.monotonic()
    system.until_steady(cluster, agent, waiting, BACK_S)
    balance = audit.settle(ledger, bound("applied_s"))
    applied_s = time.monotonic() - started

    moments = [one.at for one in audit.effects()]
    measure("partitions", len({partition for partition, _ in places}))
    measure("events_per_second", len(moments) / max(0.001, max(moments) - min(moments)) if moments else 0)
    measure_balances(balance)
    measure("applied_s", applied_s)


def backlog(prefix: str, events: int) -> Iterator[Write]:
    """Writes of several clients, each acknowledged before the next of any is invoked."""
    for number in range(events):
        sequence, client = divmod(number, CLIENTS)
        key = f"{prefix}-{client}"
        yield Write(f"{key}-{sequence}", client, key, sequence, number, ACKNOWLEDGED, number + 0.5)


def record(write: Write) -> Record:
    """A write as another producer would publish it."""
    return Record(cloud_event(write.id, write.key, write.sequence), write.key.encode())


@contextmanager
def consumer_away(cluster: Cluster, journal: Journal, waiting: Waiting) -> Iterator[None]:
    """The agent's Deployment without a pod; scaled back in any case."""
    agent = find(cluster, system.NAMESPACE, system.AGENT)
    replicas = {"op": "replace", "path": "/spec/replicas", "value": agent.desired}
    entry = journal.promise("patch", namespace=agent.namespace, reference=agent.reference, operations=[replicas])

    def gone() -> None:
        if pods := cluster.pods(agent.namespace, agent.selector):
            raise NotYetError(f"{', '.join(pod.name for pod in pods)} is still there")

    try:
        cluster.patch(agent.namespace, agent.reference, [{**replicas, "value": 0}])
        waiting.until("the agent to be gone", gone, GONE_S)
        yield
    finally:
        journal.undo(entry)
