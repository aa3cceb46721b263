"""Kafka loses records that are acknowledged and not applied."""

from functools import partial
from uuid import uuid4

from acceptance.agent.account import Account
from acceptance.agent.broker import CREATE, DELETE, EMPTY, Broker
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.timeline import Timeline

EVENTS = 20
PUBLISHED_S = 15


@proves("endurance-records-lost")
def test_what_kafka_lost_before_it_was_applied_is_sent_again(
    system: System,
    agent: Api,
    schema: Schema,
    topic: Topic,
    faults: Faults,
    account: Account,
    watched: Timeline,
    waiting: Waiting,
    judge: Judge,
) -> None:
    broker = Broker(faults, faults.begin(system.kafka)[1][0], system.brokers(), topic)
    before = topic.offsets()
    with schema.without_room(account.key):
        deleted = publish(agent, account.key)
        waiting.until("them to be in Kafka", partial(require_grown, topic, before, len(deleted)), PUBLISHED_S)
        broker.run(EMPTY, *before)
        watched.note("fault", "deleted by retention", f"{len(deleted)} events")

        dropped = publish(agent, account.key)
        both = len(deleted) + len(dropped)
        waiting.until("the others to be in Kafka", partial(require_grown, topic, before, both), PUBLISHED_S)
        with broker.promised(CREATE, str(len(before))):
            broker.run(DELETE)
        expect(not any(topic.offsets().values()), "an empty topic", topic.offsets())
        watched.note("fault", "deleted and made anew", topic.name)
    judge.within("applied_s", "all to be applied", partial(account.require_applied, deleted | dropped))
    judge(count("applied_twice", account.twice()), most("dead_lettered", account.dead_lettered()))


def publish(agent: Api, key: str) -> set[str]:
    """The ids of events that are promised to be applied."""
    ids = {uuid4().hex for _ in range(EVENTS)}
    for event_id in ids:
        headers = {"Prefer": "respond-async", "Idempotency-Key": event_id}
        body = {"message": "promised", "metadata": {"key": key, "amount": 1}}
        agent.json("POST", "/publish", status=202, json=body, headers=headers)
    return ids


def require_grown(topic: Topic, before: dict[str, int], events: int) -> None:
    """Raise NotYetError while a topic has fewer further records."""
    grown = sum(topic.offsets().values()) - sum(before.values())
    if grown < events:
        raise NotYetError(f"{grown} of {events} records are in {topic.name}")
