"""Rows that are old go, and no id that can still come again."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

from acceptance.agent.account import Account
from acceptance.agent.broker import EMPTY, Broker
from acceptance.agent.database import Database
from acceptance.agent.dead_letters import in_table
from acceptance.agent.record import Record, cloud_event
from acceptance.agent.replicas import revised
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
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


@proves("scenario-46-retention")
def test_an_old_id_is_kept_as_long_as_kafka_has_it_and_deleted_then(
    system: System,
    entry: Entry,
    agent: Api,
    database: Database,
    schema: Schema,
    topic: Topic,
    dead_letters: Topic,
    faults: Faults,
    account: Account,
    waiting: Waiting,
    judge: Judge,
) -> None:
    ids, given_up = [uuid4().hex for _ in range(EVENTS)], uuid4().hex
    everything = [*ids, given_up]
    records = [Record(cloud_event(one, account.key, amount=1), account.key.encode()) for one in everything]
    broker = faults.begin(system.kafka)[1][0]
    with retained(faults, system, agent):
        with schema.refusing(given_up):
            topic.write(records)
            waiting.until("one to be given up", partial(in_table, database, given_up), SETTLED_S)
        waiting.until("the others to be applied", partial(account.require_applied, set(ids)), SETTLED_S)
        waiting.through(entry.lasts_s, f"rows to be older than the {RETENTION_S} s they may get")

        topic.write(records[:-1])
        system.command("replay", given_up)
        waiting.until("each to come again", partial(require, database, TWICE, ids, EVENTS), SETTLED_S)
        waiting.until("the replayed one", partial(account.require_applied, set(everything)), SETTLED_S)
        waiting.through(entry.lasts_s, "rows to be older again")
        judge(most("forgotten_too_soon", len(everything) - database.value(KNOWN, everything)))

        for one in (topic, dead_letters):
            Broker(faults, broker, system.brokers(), one).run(EMPTY, *one.offsets())
        gone = [partial(require, database, LETTERS, given_up, 0), partial(require, database, KNOWN, everything, 0)]
        judge.within("deleted_s", "rows whose records are gone to be deleted", lambda: [one() for one in gone])
    judge(count("applied_twice", account.twice()))


@contextmanager
def retained(faults: Faults, system: System, agent: Api) -> Iterator[None]:
    """The agent, told how old a row may get."""
    with revised(faults, system, dict.fromkeys(SETTINGS, str(RETENTION_S))):
        system.until_steady(agent, ROLLED_OUT_S)
        yield


def require(database: Database, query: str, about: object, count: int) -> None:
    """Raise NotYetError unless a query counts so many."""
    if (seen := database.value(query, about)) != count:
        raise NotYetError(f"{seen} instead of {count}: {query.strip()}")
