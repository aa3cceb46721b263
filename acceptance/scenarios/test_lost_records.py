"""Kafka loses records that are acknowledged and not applied."""

from functools import partial
from uuid import uuid4

from acceptance.agent.effects import Effects
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import CREATE, DELETE, EMPTY, Broker, Topic
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most
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
    effects: Effects,
    watched: Timeline,
    judge: Judge,
) -> None:
    broker = Broker(faults, faults.begin(system.kafka)[1][0], system.brokers(), topic)
    before = topic.offsets()
    with schema.without_room(effects.key):
        deleted = publish(agent, effects.key)
        until_grown(topic, before, len(deleted))
        broker.run(EMPTY, *before)
        watched.note("fault", "deleted by retention", f"{len(deleted)} events")
        dropped = publish(agent, effects.key)
        until_grown(topic, before, len(deleted | dropped))
        with broker.promised(CREATE, str(len(before))):
            broker.run(DELETE)
        expect(not any(topic.offsets().values()), "an empty topic", topic.offsets())
        watched.note("fault", "deleted and made anew", topic.name)
    judge.within("applied_s", "all to be applied", partial(effects.require, deleted | dropped))
    judge(count("applied_twice", effects.twice()), most("dead_lettered", effects.dead_lettered()))


def publish(agent: Api, key: str) -> set[str]:
    """The ids of events that are promised to be applied."""
    ids = {uuid4().hex for _ in range(EVENTS)}
    for event_id in ids:
        headers = {"Prefer": "respond-async", "Idempotency-Key": event_id}
        body = {"message": "promised", "metadata": {"key": key, "amount": 1}}
        agent.json("POST", "/publish", status=202, json=body, headers=headers)
    return ids


def until_grown(topic: Topic, before: dict[str, int], events: int) -> None:
    """Wait until a topic has so many further records. Raises UnmetError."""

    def grown() -> None:
        records = sum(topic.offsets().values()) - sum(before.values())
        if records < events:
            raise NotYetError(f"{records} of {events} records are in {topic.name}")

    topic.toolbox.waiting.until(f"{events} events to be in Kafka", grown, PUBLISHED_S)
