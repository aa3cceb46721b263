"""The agent's tables, changed while it runs."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from acceptance.agent.criteria import CATALOGUE
from acceptance.agent.database import Database
from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError, NotApplicableError, NotYetError
from acceptance.harness.faults.faults import Fault, require_allowed
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.workload import find
from acceptance.harness.watching.timeline import Timeline

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


@dataclass(frozen=True)
class Schema:
    """The agent's tables, which a test changes for the length of a block; what a killed run left, the next undoes."""

    system: System
    database: Database
    journal: Journal

    @contextmanager
    def table(self, name: str) -> Iterator[None]:
        """An empty table."""
        with self._undone_by(f"DROP TABLE IF EXISTS {name}"):
            self.database.rows(f"CREATE TABLE {name} ()")
            yield

    @contextmanager
    def refusing(self, event_id: str) -> Iterator[None]:
        """PostgreSQL raises whenever one event is to be applied."""
        with self._undone_by(REFUSE_NO_MORE):
            refuse(self.database, "processed_events", f"id = '{event_id}'", "raise_exception")
            yield

    @contextmanager
    def without_room(self, key: str) -> Iterator[None]:
        """PostgreSQL has no room for the effects of one key: events wait, and those behind them in their partition."""
        with self.journal.promised("query", **_told(self.system, REFUSE_NO_MORE)):
            refuse(self.database, "effects", f"key = '{key}'", "disk_full")
            yield

    @contextmanager
    def renamed(self, timeline: Timeline, lasts_s: float) -> Iterator[Fault]:
        """A column that the handler needs has another name."""
        fault = Fault(self.system.postgres, timeline, lasts_s)
        try:
            with self.journal.promised("query", **_told(self.system, RENAME_BACK)):
                self.database.rows(RENAME)
                fault.bites("renamed: effects.amount")
                yield fault
        finally:
            fault.undone = timeline.note("fault", "undone", "effects.amount")

    @contextmanager
    def _undone_by(self, statement: str) -> Iterator[None]:
        """Run a statement after a block, and promise it where PostgreSQL is ours: elsewhere no other run can."""
        with ExitStack() as undo:
            with suppress(EnvironmentNotReadyError, NotApplicableError, NotYetError):
                undo.enter_context(self.journal.promised("query", **_told(self.system, statement)))
            undo.callback(self.database.rows, statement)
            yield


def ask_inside(cluster: Cluster, *, namespace: str, name: str, container: str, database: str, statement: str) -> None:
    """Ask PostgreSQL inside its pod, as the superuser that needs no password there."""
    ask = ("psql", "--username=postgres", f"--dbname={database}", "--set=ON_ERROR_STOP=1", f"--command={statement}")
    cluster.kubectl.run("-n", namespace, "exec", f"statefulset/{name}", "-c", container, "--", *ask)


def _told(system: System, statement: str) -> dict[str, str]:
    """A statement as the journal keeps it. Raises EnvironmentNotReadyError where PostgreSQL is not ours."""
    target = system.postgres
    require_allowed(find(system.cluster, target.namespace, target.name), CATALOGUE.system, frozenset())
    name = system.postgres_client().database
    there = {"namespace": target.namespace, "name": target.name, "container": target.container}
    return {**there, "database": name, "statement": statement}
