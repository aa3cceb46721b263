"""The agent's tables, changed while it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from acceptance.harness import system
from acceptance.harness.cluster import Cluster
from acceptance.harness.database import Database
from acceptance.harness.fault import Fault, require_allowed
from acceptance.harness.journal import Journal
from acceptance.harness.timeline import Timeline
from acceptance.harness.workload import find

RENAME = "ALTER TABLE effects RENAME amount TO amount_of_old"
RENAME_BACK = """
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('effects') AND attname = 'amount_of_old') THEN
        ALTER TABLE effects RENAME amount_of_old TO amount;
    END IF;
END $$
"""
FUNCTION = """
CREATE OR REPLACE FUNCTION acceptance_refuse() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'refused by the acceptance suite' USING ERRCODE = '{}'; END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER acceptance_refuse BEFORE INSERT ON {}
FOR EACH ROW WHEN (NEW.{}) EXECUTE FUNCTION acceptance_refuse()
"""
REFUSE_NO_MORE = "DROP FUNCTION IF EXISTS acceptance_refuse CASCADE"


def refuse(database: Database, table: str, rows: str, condition: str) -> None:
    """From now on PostgreSQL raises a condition, by its name, when such a row is to be inserted."""
    database.rows(FUNCTION.format(condition))
    database.rows(TRIGGER.format(table, rows))


@contextmanager
def without_room(cluster: Cluster, database: Database, journal: Journal, key: str) -> Iterator[None]:
    """PostgreSQL has no room for the effects of one key: its events wait, and those behind them in their partition."""
    with journal.promised("query", **_told(cluster, REFUSE_NO_MORE)):
        refuse(database, "effects", f"key = '{key}'", "disk_full")
        yield


@contextmanager
def renamed(
    cluster: Cluster, database: Database, journal: Journal, timeline: Timeline, lasts_s: float
) -> Iterator[Fault]:
    """A column that the handler needs has another name, until the block ends."""
    fault = Fault(system.POSTGRES, timeline, lasts_s)
    try:
        with journal.promised("query", **_told(cluster, RENAME_BACK)):
            database.rows(RENAME)
            fault.bites("renamed: effects.amount")
            yield fault
    finally:
        fault.undone = timeline.note("fault", "undone", "effects.amount")


def _told(cluster: Cluster, statement: str) -> dict[str, str]:
    """A statement as the journal keeps it. Raises EnvironmentNotReadyError where PostgreSQL is not ours."""
    target = system.POSTGRES
    require_allowed(find(cluster, target.namespace, target.name), frozenset())
    name = system.postgres(cluster).database
    there = {"namespace": target.namespace, "name": target.name, "container": target.container}
    return {**there, "database": name, "statement": statement}
