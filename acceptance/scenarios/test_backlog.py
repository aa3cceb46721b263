"""Events published while the consumer is away."""

import time
from collections.abc import Iterator

from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic, cloud_event
from acceptance.harness.errors import expect
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import scaled
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import balanced, count, most, took
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.ledger import ACKNOWLEDGED, Write

EVENTS = {"faults": 2_000, "endurance": 20_000}
CLIENTS = 64
GONE_S = 60
BACK_S = 60


@proves("scenario-19-backlog", "endurance-backlog")
def test_a_backlog_is_applied_in_order_once_the_consumer_is_back(
    system: System,
    entry: Entry,
    cluster: Cluster,
    agent: Api,
    journal: Journal,
    topic: Topic,
    effects: Effects,
    waiting: Waiting,
    judge: Judge,
) -> None:
    ledger = {one.id: one for one in backlog(effects.key, EVENTS[entry.tier])}
    system.until_steady(agent)
    with scaled(cluster, journal, system.agent, 0, waiting, GONE_S):
        places = topic.write([record(one) for one in ledger.values()])
        expect(not effects.all(), "no effect while the consumer is away", f"{len(effects.all())} effects")
    started = time.monotonic()
    system.until_steady(agent, BACK_S)
    balance = effects.settle(ledger, judge.bound("applied_s"))
    applied = time.monotonic()

    moments = [one.at for one in effects.all()]
    judge(count("partitions", {partition for partition, _ in places}))
    judge(most("events_per_second", len(moments) / max(0.001, max(moments) - min(moments)) if moments else 0))
    judge(balanced(balance), took("applied_s", started, applied))


def backlog(prefix: str, events: int) -> Iterator[Write]:
    """Writes of several clients, each acknowledged before the next of any is invoked."""
    for number in range(events):
        sequence, client = divmod(number, CLIENTS)
        key = f"{prefix}-{client}"
        yield Write(f"{key}-{sequence}", client, key, sequence, number, ACKNOWLEDGED, number + 0.5)


def record(write: Write) -> Record:
    """A write as another producer would publish it."""
    return Record(cloud_event(write.id, write.key, write.sequence), write.key.encode())
