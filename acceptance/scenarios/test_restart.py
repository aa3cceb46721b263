"""Scenarios 1 and 2: state and events over a restart of agent and PostgreSQL, one for both."""

import json
import time
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from acceptance.agent import contract
from acceptance.agent.criteria import ENTRIES
from acceptance.agent.database import Database
from acceptance.agent.inputs.bad_answer import canonical
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic
from acceptance.harness.errors import NotYetError, UnmetError, expect
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import replaced
from acceptance.harness.plugin import breaking
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most
from acceptance.harness.suite.run import Run

SHAPES: tuple[Any, ...] = (
    "plain text",
    "",
    "Grüße, 東京, 🚀 and a \u0007",
    0,
    -1.5,
    True,
    None,
    [],
    {},
    [1, [2, [3, {"deep": [None, False, {"er": "yes"}]}]]],
    {"": "an empty name", "a.b/c": {"nested": {"list": [{}, [], ""]}}},
    "x" * 200_000,
)
VALUES = 50
EVENTS = 100
KEYS = 5
WITHIN_S = 60


@dataclass
class Published:
    """The events of some keys of a test's own: by id the key, how long they took, and where the topic was before."""

    database: Database
    keys: list[str]
    offsets: dict[str, int]
    events: dict[str, str]
    applied_s: float = 0.0
    late: UnmetError | None = None
    """That they were not applied in time: for the one of the two scenarios to tell that is about it."""

    def require_applied(self, number: int) -> None:
        """Raise NotYetError while not so many are in effect."""
        count = self.database.value("SELECT count(*) FROM effects WHERE key = ANY($1)", self.keys)
        if count < number:
            raise NotYetError(f"{count} of {number} events are applied")


@pytest.fixture(scope="module")
def saved(agent: Api) -> dict[str, Any]:
    """Values of every shape, saved as state."""
    values = {f"acceptance-{uuid4()}": SHAPES[number % len(SHAPES)] for number in range(VALUES)}
    for key, value in values.items():
        agent.json("POST", "/state", json={"key": key, "value": value})
    return values


@pytest.fixture(scope="module")
def published(system: System, agent: Api, database: Database, topic: Topic) -> Published:
    """Events, published and given the time to be applied."""
    keys, offsets = [f"acceptance-{uuid4()}" for _ in range(KEYS)], topic.offsets()
    events = {publish(agent, keys[number % KEYS], number): keys[number % KEYS] for number in range(EVENTS)}
    found, began = Published(database, keys, offsets, events), time.monotonic()
    within_s = ENTRIES["scenario-2-events-take-effect-once"].bounds["applied_s"]
    try:
        system.waiting.until(f"all {EVENTS} events to be applied", partial(found.require_applied, EVENTS), within_s)
    except UnmetError as error:
        found.late = error
    found.applied_s = time.monotonic() - began
    return found


@pytest.fixture(scope="module")
def restarted_s(
    system: System, agent: Api, journal: Journal, run: Run, saved: dict[str, Any], published: Published
) -> float:
    """Seconds that a restart took of the agent, and of PostgreSQL where that is a workload of this cluster."""
    assert saved
    assert published
    faults = breaking(run, system.cluster, journal, partial(system.until_steady, agent))
    databases = [target for name, target in system.own_backends.items() if name == "postgres"]
    return replaced(faults, *databases, system.agent, within_s=WITHIN_S)


@proves("scenario-1-state-survives-restarts")
def test_state_survives_restarts_of_the_agent_and_of_postgresql(
    system: System, agent: Api, saved: dict[str, Any], restarted_s: float, judge: Judge
) -> None:
    system.target("postgres")
    judge(most("restarted_s", restarted_s))
    read = {key: json.dumps(agent.json("GET", f"/state/{key}")) for key in saved}
    wanted = {key: json.dumps({"value": value}) for key, value in saved.items()}
    # Python's own comparison would take True for 1.
    changed = [key for key in saved if canonical(read[key]) != canonical(wanted[key])]
    for key in saved:
        agent.json("DELETE", f"/state/{key}")
    expect(not changed, f"all {VALUES} values equal after both restarts", f"changed: {changed}")


@proves("scenario-2-events-take-effect-once")
def test_events_take_effect_exactly_once(
    agent: Api, database: Database, topic: Topic, published: Published, restarted_s: float, judge: Judge
) -> None:
    if published.late:
        raise published.late
    judge(most("applied_s", published.applied_s), most("restarted_s", restarted_s))
    keys, events = published.keys, published.events
    # Once more to somebody who cannot remember: nothing of it may take effect, and all behind it still has to.
    record = topic.find(next(iter(events)), published.offsets, judge.bound("applied_s"))
    expect(record, f"the first event in {contract.TOPIC}", "no such record")
    assert record
    topic.write([Record(record["value"].encode(), record["key"].encode(), partition=record["partition"])])
    events[publish(agent, keys[0], EVENTS)] = keys[0]
    behind = partial(published.require_applied, EVENTS + 1)
    judge.within("applied_s", "the event behind one that came again to be applied", behind)

    rows = database.rows("SELECT event_id, key FROM effects WHERE key = ANY($1)", keys)
    effects = Counter((row["event_id"], row["key"]) for row in rows)
    expect(effects == Counter(events.items()), "each event in effect exactly once", differences(effects, events))
    seen = database.rows("SELECT * FROM totals WHERE key = ANY($1)", keys)
    totals = {row["key"]: (row["count"], row["amount"]) for row in seen}
    amounts = {key: [*range(number, EVENTS, KEYS)] for number, key in enumerate(keys)}
    amounts[keys[0]].append(EVENTS)
    wanted = {key: (len(one), Decimal(sum(one))) for key, one in amounts.items()}
    expect(totals == wanted, f"totals {wanted}", totals)


def publish(agent: Api, key: str, amount: int) -> str:
    """Publish an event; its id."""
    event = {"message": f"event {amount}", "metadata": {"key": key, "amount": amount}}
    return str(agent.json("POST", "/publish", json=event)["id"])


def differences(effects: Counter[tuple[str, str]], published: dict[str, str]) -> str:
    """What is wrong with the effects, in counts."""
    lost = sum(effects[one] == 0 for one in published.items())
    repeated = sum(count > 1 for count in effects.values())
    invented = sum(published.get(event_id) != key for event_id, key in effects)
    return f"{lost} lost, {repeated} applied more than once, {invented} that nobody published so"
