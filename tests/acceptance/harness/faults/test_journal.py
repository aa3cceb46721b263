"""The write-ahead journal: nothing that was promised is forgotten."""

import signal
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
from kubernetes import client

from acceptance.agent import deployment
from acceptance.agent.database import Database
from acceptance.agent.schema import REFUSE_NO_MORE, Schema
from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError, UndoIncompleteError
from acceptance.harness.faults.faults import undo_table
from acceptance.harness.faults.journal import WIDTH, Journal, uninterrupted
from acceptance.harness.kube.cluster import Cluster
from tests.acceptance.fakes import Data

Opened = Callable[[], Journal]


@pytest.fixture
def kept() -> dict[str, str]:
    """What the cluster keeps."""
    return {}


@pytest.fixture
def undone() -> list[str]:
    return []


@pytest.fixture
def opened(kept: dict[str, str], undone: list[str]) -> Opened:
    """Opens the journal, as each run does; a step named `fail` cannot be undone."""

    def scale(name: str) -> None:
        if name == "fail":
            raise RuntimeError("the cluster is away")
        undone.append(name)

    return lambda: Journal(kept, {"scale": scale})


def test_what_a_killed_run_left_is_undone_by_the_next_newest_first(opened: Opened, undone: list[str]) -> None:
    killed = opened()
    killed.promise("scale", name="kafka")
    killed.promise("scale", name="postgres")

    following = opened()
    assert len(following.undo_all()) == 2
    assert undone == ["postgres", "kafka"]
    assert following.undo_all() == []


def test_an_entry_that_was_undone_is_not_undone_again(opened: Opened, undone: list[str]) -> None:
    journal = opened()
    journal.undo(journal.promise("scale", name="kafka"))
    journal.undo_all()
    assert undone == ["kafka"]


def test_many_entries_are_undone_newest_first(opened: Opened, undone: list[str]) -> None:
    journal = opened()
    names = [str(number) for number in range(12)]
    for name in names:
        journal.promise("scale", name=name)
    journal.undo_all()
    assert undone == names[::-1]


def test_what_is_to_stay_is_not_undone(opened: Opened, undone: list[str]) -> None:
    journal = opened()
    journal.strike(journal.promise("scale", name="kafka"))
    assert journal.undo_all() == undone == []


def test_who_has_lost_the_cluster_begins_nothing_and_undoes_all(kept: dict[str, str]) -> None:
    undone, lost = list[str](), list[str]()

    def require() -> None:
        if lost:
            raise EnvironmentNotReadyError(lost[0])

    def scale(name: str) -> None:
        undone.append(name)

    journal = Journal(kept, {"scale": scale}, require)
    journal.promise("scale", name="kafka")
    lost.append("another took it")
    with pytest.raises(EnvironmentNotReadyError, match="another took it"):
        journal.promise("scale", name="postgres")
    journal.undo_all()
    assert undone == ["kafka"]


def test_one_step_that_fails_keeps_no_other_from_being_undone(opened: Opened, undone: list[str]) -> None:
    journal = opened()
    journal.promise("scale", name="kafka")
    journal.promise("scale", name="fail")
    with pytest.raises(UndoIncompleteError, match="the cluster is away"):
        journal.undo_all()
    assert undone == ["kafka"]
    assert len(journal.open_entries()) == 1


def test_a_signal_waits_until_an_undo_is_over() -> None:
    steps: list[str] = []

    def slow() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("undone")

    journal = Journal({}, {"slow": slow})
    entry = journal.promise("slow")
    with pytest.raises(KeyboardInterrupt):
        journal.undo(entry)
    assert steps == ["undone"]
    assert journal.open_entries() == {}


def test_a_signal_waits_until_the_block_around_an_undo_is_over_too() -> None:
    steps: list[str] = []

    def interrupted() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("undone")

    journal = Journal({}, {"interrupted": interrupted})
    for _ in range(2):
        journal.promise("interrupted")
    with pytest.raises(KeyboardInterrupt), uninterrupted():
        journal.undo_all()
    assert steps == ["undone", "undone"]


def test_a_signal_that_whoever_started_the_run_has_it_ignore_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with uninterrupted():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_what_is_gone_needs_no_undo() -> None:
    def scale(**_: object) -> None:
        raise client.ApiException(status=404)

    def patch(**_: object) -> None:
        raise KubectlError('kubectl patch: Error from server (NotFound): deployments.apps "agent" not found')

    def create(**_: object) -> None:
        raise KubectlError("kubectl apply: the connection was refused")

    others = dict.fromkeys(("delete_pod", "execute", "annotate_pods", "delete_secret"))
    table = undo_table(cast("Cluster", SimpleNamespace(scale=scale, patch=patch, create=create, **others)))
    table["scale"]()
    table["patch"]()
    with pytest.raises(KubectlError, match="refused"):
        table["create"]()


def test_a_statement_is_undone_inside_the_pod_of_the_database(kept: dict[str, str]) -> None:
    ran: list[tuple[str, ...]] = []
    kubectl = SimpleNamespace(run=lambda *arguments: ran.append(arguments))
    others = dict.fromkeys(("scale", "patch", "create", "delete_pod", "execute", "annotate_pods", "delete_secret"))
    host = {"name": "host", "value": "postgres-postgresql.postgres"}
    state = {"spec": {"metadata": [host, {"name": "database", "value": "agent"}]}}
    system = Data(components={"postgres-statestore": state}).as_system()
    undo = deployment.undo_table(cast("Cluster", SimpleNamespace(kubectl=kubectl, **others)))
    database = cast("Database", SimpleNamespace(rows=lambda _: None))
    with Schema(system, database, Journal(kept, undo)).without_room("a key"):
        assert kept
    ((*pod, ask),) = ran
    assert pod[:6] == ["-n", "postgres", "exec", "statefulset/postgres-postgresql", "-c", "postgresql"]
    assert "--dbname=agent" in pod
    assert ask == f"--command={REFUSE_NO_MORE}"


def test_a_signal_waits_until_everything_is_undone() -> None:
    steps: list[str] = []

    def slow(name: str) -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append(name)

    journal = Journal({}, {"slow": slow})
    journal.promise("slow", name="kafka")
    journal.promise("slow", name="postgres")
    with pytest.raises(KeyboardInterrupt):
        journal.undo_all()
    assert steps == ["postgres", "kafka"]


def test_what_was_undone_is_told_in_a_line(opened: Opened) -> None:
    journal = opened()
    journal.promise("scale", name="kafka" * 100)
    assert [len(one) for one in journal.undo_all()] == [WIDTH]
