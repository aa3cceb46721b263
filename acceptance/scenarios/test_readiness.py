"""Readiness tells that no event is applied although every backend answers."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

from acceptance.agent import contract
from acceptance.agent.effects import Effects
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic, cloud_event
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, share, took
from acceptance.harness.watching.observers import following
from acceptance.harness.watching.timeline import Timeline

STRANGER = "stranger"
STAYS_S = 90
JOINED_S = 30
LEFT_S = 15


@proves("scenario-33-statements-that-cannot-run")
def test_a_column_that_is_gone_is_named_and_what_waited_is_applied_once_it_is_back(
    system: System, entry: Entry, agent: Api, schema: Schema, effects: Effects, watched: Timeline, judge: Judge
) -> None:
    with schema.renamed(watched, entry.lasts_s) as fault:
        event = agent.json("POST", "/publish", json={"message": "waits", "metadata": {"key": effects.key}})
        noticed = system.until_named(watched, "database", fault.at, judge.bound("noticed_s"), "amount")
        system.waiting.through(fault.remaining_s(), "the column to be away for long enough")
    judge.within("applied_s", "what waited to be applied", partial(effects.require, {event["id"]}))
    ready = system.until_green(watched, fault.undone, JOINED_S)
    judge(took("noticed_s", fault.at, noticed), took("ready_again_s", fault.undone, ready))
    settle(effects, watched, fault.at, judge)


@proves("scenario-34-events-that-nobody-takes")
def test_a_stranger_that_keeps_events_is_named_and_they_are_applied_once_it_left(
    system: System, topic: Topic, faults: Faults, effects: Effects, watched: Timeline, judge: Judge
) -> None:
    faults.require_steady()
    with joined(system, topic, watched) as held:
        at = watched.note("fault", "joined by a stranger", f"partitions {held}")
        ids = {partition: uuid4().hex for partition in held}
        topic.write([Record(cloud_event(one, effects.key), partition=partition) for partition, one in ids.items()])
        noticed = system.until_named(watched, "events", at, judge.bound("noticed_s"), f"{STRANGER} at")
    left = watched.note("fault", "undone", "the stranger left")
    judge.within("applied_s", "what waited to be applied", partial(effects.require, set(ids.values())))
    ready = system.until_green(watched, left, JOINED_S)
    judge(took("noticed_s", at, noticed), took("ready_again_s", left, ready))
    settle(effects, watched, at, judge)


@contextmanager
def joined(system: System, topic: Topic, watched: Timeline) -> Iterator[list[int]]:
    """A stranger in the agent's consumer group as long as the block lasts: the partitions of the topic that it holds.

    Raises UnmetError when it is given none.
    """
    joining = {
        "group": system.component(contract.PUBSUB)["consumerGroup"],
        "topics": [contract.TOPIC, contract.DEAD_LETTER_TOPIC],
        "client_id": STRANGER,
        "seconds": STAYS_S,
    }
    with following(watched, topic.toolbox, "squat", joining, LEFT_S):
        system.waiting.until("it to be given partitions", partial(watched.first, STRANGER, "holds"), JOINED_S)
        held: list[int] = json.loads(watched.of(STRANGER)[-1].detail).get(contract.TOPIC, [])
        expect(held, f"a stranger with partitions of {contract.TOPIC}", "none")
        yield held


def settle(effects: Effects, watched: Timeline, since: float, judge: Judge) -> None:
    """Judge what must not have happened meanwhile."""
    judge(share("unhealthy_percent", watched, "health", since, other_than="200"))
    judge(count("applied_twice", effects.twice()), most("dead_lettered", effects.dead_lettered()))
