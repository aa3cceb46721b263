"""Rows that are old go, and no id that can still come again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from uuid import uuid4

import pytest

from acceptance.agent.database import Database
from acceptance.agent.effects import Effects, in_table
from acceptance.agent.replicas import revised
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import EMPTY, Broker, Record, Topic, cloud_event
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most
from acceptance.harness.waiting import Waiting

EVENTS = 20
RETENTION_S = 3
SETTINGS = ("PROCESSED_EVENTS_RETENTION_SECONDS", "FAILED_EVENTS_RETENTION_SECONDS", "DEAD_LETTERS_RETENTION_SECONDS")
"""All but that of effects, which tell what happened twice."""
ROLLED_OUT_S = 90
SETTLED_S = 15
KNOWN = "SELECT count(*) FROM processed_events WHERE id = ANY($1)"
TWICE = "SELECT count(*) FROM processed_events WHERE id = ANY($1) AND deliveries > 1"
LETTERS = "SELECT count(*) FROM dead_letters WHERE id = $1"


@dataclass(frozen=True)
class Events:
    """Events of this test's own, the last of which is given up."""

    database: Database
    effects: Effects
    waiting: Waiting
    all: list[str] = field(default_factory=lambda: [uuid4().hex for _ in range(EVENTS + 1)])

    @property
    def ids(self) -> list[str]:
        """Those that are applied."""
        return self.all[:-1]

    @property
    def given_up(self) -> str:
        """The one that is given up."""
        return self.all[-1]

    @property
    def records(self) -> list[Record]:
        """All of them as records."""
        key = self.effects.key
        return [Record(cloud_event(one, key, amount=1), key.encode()) for one in self.all]

    def until(self, expected: str, probe: Callable[[], object]) -> None:
        """Wait for what becomes of them. Raises UnmetError."""
        self.waiting.until(expected, probe, SETTLED_S)

    def require(self, query: str, about: object, count: int) -> None:
        """Raise NotYetError unless a query counts so many."""
        if (seen := self.database.value(query, about)) != count:
            raise NotYetError(f"{seen} instead of {count}: {query.strip()}")

    def require_deleted(self) -> None:
        """Raise NotYetError while PostgreSQL still knows one of them."""
        self.require(LETTERS, self.given_up, 0)
        self.require(KNOWN, self.all, 0)


@pytest.fixture
def events(database: Database, effects: Effects, waiting: Waiting) -> Events:
    """Events of this test's own, not published yet."""
    return Events(database, effects, waiting)


@pytest.fixture
def brokers(faults: Faults, system: System, topic: Topic, dead_letters: Topic) -> list[Broker]:
    """Both topics, as their owner sees them. Raises NotApplicableError where Kafka is not ours."""
    pod = faults.begin(system.kafka)[1][0]
    return [Broker(faults, pod, system.brokers(), one) for one in (topic, dead_letters)]


@pytest.fixture
def retained(faults: Faults, system: System, agent: Api, events: Events, judge: Judge) -> Iterator[None]:
    """The agent, told how old a row may get; what took effect twice is counted when it is as before."""
    with revised(faults, system, dict.fromkeys(SETTINGS, str(RETENTION_S))):
        system.until_steady(agent, ROLLED_OUT_S)
        yield
    judge(count("applied_twice", events.effects.twice()))


@proves("scenario-46-retention")
@pytest.mark.usefixtures("brokers", "retained")
def test_an_old_id_is_kept_as_long_as_kafka_has_it_and_deleted_then(
    system: System, entry: Entry, schema: Schema, topic: Topic, brokers: list[Broker], events: Events, judge: Judge
) -> None:
    with schema.refusing(events.given_up):
        topic.write(events.records)
        events.until("one to be given up", partial(in_table, events.database, events.given_up))
    events.until("the others to be applied", partial(events.effects.require, set(events.ids)))
    system.waiting.through(entry.lasts_s, f"rows to be older than the {RETENTION_S} s they may get")

    topic.write(events.records[:-1])
    system.command("replay", events.given_up)
    events.until("each to come again", partial(events.require, TWICE, events.ids, EVENTS))
    events.until("the replayed one", partial(events.effects.require, set(events.all)))
    system.waiting.through(entry.lasts_s, "rows to be older again")
    judge(most("forgotten_too_soon", len(events.all) - events.database.value(KNOWN, events.all)))

    for broker in brokers:
        broker.run(EMPTY, *broker.topic.offsets())
    judge.within("deleted_s", "rows whose records are gone to be deleted", events.require_deleted)
