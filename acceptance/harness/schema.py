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
CREATE OR REPLACE FUNCTION acceptance_full() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'no room, says the acceptance suite' USING ERRCODE = 'disk_full'; END $$
"""
TRIGGER = """
CREATE OR REPLACE TRIGGER acceptance_full BEFORE INSERT ON effects
FOR EACH ROW WHEN (NEW.key = '{}') EXECUTE FUNCTION acceptance_full()
"""


@contextmanager
def without_room(database: Database, key: str) -> Iterator[None]:
    """PostgreSQL has no room for the effects of one key; a run that died leaves what hits no other."""
    database.rows(FUNCTION)
    try:
        database.rows(TRIGGER.format(key))
        yield
    finally:
        database.rows("DROP FUNCTION acceptance_full CASCADE")


@contextmanager
def renamed(
    cluster: Cluster, database: Database, journal: Journal, timeline: Timeline, lasts_s: float
) -> Iterator[Fault]:
    """A column that the handler needs has another name, until the block ends."""
    target = system.POSTGRES
    require_allowed(find(cluster, target.namespace, target.name), frozenset())
    name = system.component_metadata(cluster, system.STATESTORE).get("database", "postgres")
    undo = journal.promise("query", **vars(target), database=name, statement=RENAME_BACK)
    fault = Fault(target, timeline, lasts_s)
    try:
        database.rows(RENAME)
        fault.bites("renamed: effects.amount")
        yield fault
    finally:
        journal.undo(undo)
        fault.undone = timeline.note("fault", "undone", "effects.amount")
