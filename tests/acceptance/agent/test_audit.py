"""What is asked of PostgreSQL, on the agent's own tables."""

from collections.abc import Iterator

import pytest

from acceptance.agent.audit import Audit
from acceptance.agent.database import Database, QueryError
from acceptance.agent.schema import Schema
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
TOTAL = "INSERT INTO totals (key, count, amount) VALUES ($1, $2, $3)"
LEDGER = {
    f"mine-1-{number}": Write(f"mine-1-{number}", 1, "mine-1", number, number, "acknowledged", number)
    for number in range(2)
}


@pytest.fixture
def database() -> Iterator[Database]:
    server = PostgresServer()
    server.start()
    with reached(server) as database:
        for migration in MIGRATIONS:
            database.rows(f"DO $do$ BEGIN {migration} END $do$")
        yield database
    server.remove()


def test_a_ledger_is_held_against_effects_and_totals_of_its_keys_alone(database: Database) -> None:
    for event_id, key, amount in (("mine-1-0", "mine-1", 0), ("mine-1-1", "mine-1", 1), ("other", "other-1", 7)):
        database.rows(EFFECT, event_id, key, amount)
    for key, count, amount in (("mine-1", 2, 1), ("other-1", 5, 7)):
        database.rows(TOTAL, key, count, amount)
    database.rows(APPLY, "mine-1-0", 4)
    audit = Audit(database, Waiting(), "mine")
    balance = audit.settle(LEDGER, within_s=60)
    assert (balance.applied, balance.lost, balance.invented, balance.wrong_totals, audit.absorbed()) == (2, 0, 0, 0, 3)


def test_what_stays_lost_is_told_once_the_time_is_over(database: Database) -> None:
    database.rows(EFFECT, "mine-1-0", "another-key", 0)
    balance = Audit(database, Waiting(show=lambda _: None), "mine").settle(LEDGER, within_s=0.1)
    assert (balance.applied, balance.lost, balance.invented) == (1, 1, 1)


def test_one_event_is_refused_until_that_is_taken_back(database: Database) -> None:
    # of a PostgreSQL that is not ours nothing can be promised
    elsewhere = Data(all_workloads=[]).as_system()
    with Schema(elsewhere, database, Journal({}, {})).refusing("poison"):
        database.rows(APPLY, "good", 1)
        with pytest.raises(QueryError, match="acceptance suite"):
            database.rows(APPLY, "poison", 1)
    database.rows(APPLY, "poison", 1)
