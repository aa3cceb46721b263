"""What is asked of PostgreSQL, on the agent's own tables."""

from collections.abc import Iterator
from typing import cast

import pytest

from acceptance.agent.database import Database, QueryError
from acceptance.agent.effects import Effects
from acceptance.agent.schema import Schema
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.ledger import Write
from app.database.migration import MIGRATIONS
from tests.acceptance.agent.test_database import reached
from tests.acceptance.fakes import Data
from tests.app.postgres import PostgresServer

APPLY = """
INSERT INTO processed_events (id, key, message, metadata, deliveries, digest) VALUES ($1, 'mine-1', '', '{}', $2, '')
"""
EFFECT = "INSERT INTO effects (event_id, key, amount) VALUES ($1, $2, $3)"
EFFECT_AT = """
INSERT INTO effects (event_id, key, amount, applied_at) VALUES ($1, 'mine', 1, to_timestamp(1000000 + $2::integer))
"""
TOTAL = "INSERT INTO totals (key, count, amount) VALUES ($1, $2, $3)"
LEDGER = {
    f"mine-1-{number}": Write(f"mine-1-{number}", 1, "mine-1", number, number, "acknowledged", number)
    for number in range(2)
}


class Growing:
    """A dead letter topic that grows by one at each look."""

    looks = 0

    def offsets(self) -> dict[str, int]:
        """Where it ends."""
        self.looks += 1
        return {"0": self.looks, "1": 7}


@pytest.fixture
def effects(database: Database) -> Effects:
    return Effects(database, Waiting(show=lambda _: None), cast("Topic", Growing()), "mine")


@pytest.fixture(scope="module")
def migrated() -> Iterator[Database]:
    server = PostgresServer()
    server.start()
    with reached(server) as database:
        for migration in MIGRATIONS:
            database.rows(f"DO $do$ BEGIN {migration} END $do$")
        yield database
    server.remove()


@pytest.fixture
def database(migrated: Database) -> Database:
    """A database without an event of an earlier test."""
    migrated.rows("TRUNCATE effects, totals, processed_events")
    return migrated


def test_a_ledger_is_held_against_effects_and_totals_of_its_keys_alone(database: Database, effects: Effects) -> None:
    for event_id, key, amount in (("mine-1-0", "mine-1", 0), ("mine-1-1", "mine-1", 1), ("other", "other-1", 7)):
        database.rows(EFFECT, event_id, key, amount)
    for key, count, amount in (("mine-1", 2, 1), ("other-1", 5, 7)):
        database.rows(TOTAL, key, count, amount)
    database.rows(APPLY, "mine-1-0", 4)
    balance = effects.settle(LEDGER, within_s=60)
    assert (balance.applied, balance.lost, balance.invented, balance.wrong_totals, effects.absorbed()) == (
        2,
        0,
        0,
        0,
        3,
    )


def test_what_stays_lost_is_told_once_the_time_is_over(database: Database, effects: Effects) -> None:
    database.rows(EFFECT, "mine-1-0", "another-key", 0)
    balance = effects.settle(LEDGER, within_s=0.1)
    assert (balance.applied, balance.lost, balance.invented) == (1, 1, 1)


def test_an_event_without_effect_is_named(database: Database, effects: Effects) -> None:
    for event_id in ("a", "b"):
        database.rows(EFFECT, event_id, "mine-1", 1)
    effects.require({"a", "b"})
    with pytest.raises(NotYetError, match="1 of 3 events are not applied, such as c"):
        effects.require({"a", "b", "c"})


def test_effects_too_many_are_counted(database: Database, effects: Effects) -> None:
    for event_id, key in (("a", "mine-1"), ("b", "mine-1"), ("c", "other-1"), ("c", "other-1")):
        database.rows(EFFECT, event_id, key, 1)
    assert effects.twice() == []
    for _ in range(2):
        database.rows(EFFECT, "a", "mine-1", 1)
    assert effects.twice() == ["a", "a"]


def test_the_longest_time_without_an_effect_is_told(database: Database, effects: Effects) -> None:
    for event_id, at in (("a", 0), ("b", 2), ("c", 9)):
        database.rows(EFFECT_AT, event_id, at)
    assert effects.longest_gap_s() == pytest.approx(7)


def test_dead_letters_are_counted_from_the_beginning(effects: Effects) -> None:
    assert effects.dead_lettered() == 1


def test_one_event_is_refused_until_that_is_taken_back(database: Database) -> None:
    # of a PostgreSQL that is not ours nothing can be promised
    elsewhere = Data(all_workloads=[]).as_system()
    with Schema(elsewhere, database, Journal({}, {})).refusing("poison"):
        database.rows(APPLY, "good", 1)
        with pytest.raises(QueryError, match="acceptance suite"):
            database.rows(APPLY, "poison", 1)
    database.rows(APPLY, "poison", 1)
