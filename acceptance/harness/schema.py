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


@contextmanager
def renamed(
    cluster: Cluster, database: Database, journal: Journal, timeline: Timeline, lasts_s: float = 0.0
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
