"""Readiness tells that no event is applied although every backend answers."""

import json
from functools import partial
from uuid import uuid4

from acceptance.agent import contract
from acceptance.agent.account import Account
from acceptance.agent.readiness import named
from acceptance.agent.record import Record, cloud_event
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, share, took
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.observers import following
from acceptance.harness.watching.timeline import Timeline

STRANGER = "stranger"
STAYS_S = 90
JOINED_S = 30
LEFT_S = 15


@proves("scenario-33-statements-that-cannot-run")
def test_a_column_that_is_gone_is_named_and_what_waited_is_applied_once_it_is_back(
    entry: Entry,
    agent: Api,
    schema: Schema,
    account: Account,
    watched: Timeline,
    waiting: Waiting,
    judge: Judge,
) -> None:
    with schema.renamed(watched, entry.lasts_s) as fault:
        event = agent.json("POST", "/publish", json={"message": "waits", "metadata": {"key": account.key}})
        noticed = waiting.until(
            "/ready to name the column",
            partial(named, watched, "database", fault.at, "amount"),
            judge.bound("noticed_s"),
        )
        waiting.through(fault.remaining_s(), "the column to be away for long enough")
    judge.within("applied_s", "what waited to be applied", partial(account.require_applied, {event["id"]}))
    ready = waiting.until("/ready to be green", partial(watched.first, "ready", "200", fault.undone), JOINED_S)
    judge(took("noticed_s", fault.at, noticed), took("ready_again_s", fault.undone, ready))
    settle(account, watched, fault.at, judge)


@proves("scenario-34-events-that-nobody-takes")
def test_a_stranger_that_keeps_events_is_named_and_they_are_applied_once_it_left(
    system: System,
    topic: Topic,
    faults: Faults,
    account: Account,
    watched: Timeline,
    waiting: Waiting,
    judge: Judge,
) -> None:
    faults.require_steady()
    joining = {
        "group": system.component(contract.PUBSUB)["consumerGroup"],
        "topics": [contract.TOPIC, contract.DEAD_LETTER_TOPIC],
        "client_id": STRANGER,
        "seconds": STAYS_S,
    }
    with following(watched, topic.toolbox, "squat", joining, LEFT_S):
        waiting.until("it to be given partitions", partial(watched.first, STRANGER, "holds"), JOINED_S)
        held = json.loads(watched.of(STRANGER)[-1].detail).get(contract.TOPIC, [])
        expect(held, f"a stranger with partitions of {contract.TOPIC}", "none")
        at = watched.note("fault", "joined by a stranger", f"partitions {held}")
        ids = {partition: uuid4().hex for partition in held}
        topic.write([Record(cloud_event(one, account.key), partition=partition) for partition, one in ids.items()])
        noticed = waiting.until(
            "/ready to name who has them",
            partial(named, watched, "events", at, f"{STRANGER} at"),
            judge.bound("noticed_s"),
        )
    left = watched.note("fault", "undone", "the stranger left")
    judge.within("applied_s", "what waited to be applied", partial(account.require_applied, set(ids.values())))
    ready = waiting.until("/ready to be green", partial(watched.first, "ready", "200", left), JOINED_S)
    judge(took("noticed_s", at, noticed), took("ready_again_s", left, ready))
    settle(account, watched, at, judge)


def settle(account: Account, watched: Timeline, since: float, judge: Judge) -> None:
    """Judge what must not have happened meanwhile."""
    judge(share("unhealthy_percent", watched, "health", since, other_than="200"))
    judge(count("applied_twice", account.twice()), most("dead_lettered", account.dead_lettered()))
