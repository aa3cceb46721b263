"""`make up` brings back a cluster that is there, and deletes only what it never finished making."""

from collections.abc import Callable
from pathlib import Path

import pytest

from cluster import images, kind, node, waiting
from cluster.console import SurroundingsError
from tests.cluster.conftest import StandIn

ID = "0123456789ab"
# The node's state is a file: docker shows and changes it, and the API server answers only from one that runs.
DOCKER = """
case "$*" in
    *State.Status*) cat {state} ;;
    *State.StartedAt*) echo 2026-11-29T12:00:00.123456789Z ;;
    *inspect*) [ -s {state} ] && echo 0123456789ab ;;
    start*|unpause*) {does} ;;
esac
"""
STARTS = "echo running >{state}"
KUBECTL = """
case "$*" in
    *get-contexts*) exec test -e {context} ;;
esac
grep -qx running {state} || exit 1
case "$*" in
    *"get pods"*) cat {since} ;;
    *"get lease"*) cat {renewed} ;;
    *"get nodes"*) cat {complete} ;;
esac
"""
KIND = 'case "$1" in delete) : >{state} ;; create) echo running >{state} ;; export) touch {context} ;; esac'


class Machine:
    """A machine with a node in some state; `asked` is what its commands were called with."""

    def __init__(self, folder: Path, stand_in: StandIn) -> None:
        self.files = {name: folder / f"the-{name}" for name in ("state", "context", "since", "renewed", "complete")}
        for name, text in (
            ("state", "running\n"),
            ("context", ""),
            ("since", "2026-11-29T12:00:07Z\n\n2026-11-29T12:00:00Z\n"),
            ("renewed", "2026-11-29T12:00:09.123456Z"),
            ("complete", f"node/{node.NODE}\n"),
        ):
            self.files[name].write_text(text)
        commands = (("docker", DOCKER.replace("{does}", STARTS)), ("kubectl", KUBECTL), ("kind", KIND))
        self._calls = {name: stand_in(name, script.format(**self.files)) for name, script in commands}

    def asked(self, command: str) -> list[str]:
        """The calls of a command, without docker's questions."""
        return [line for line in self._calls[command].read_text().splitlines() if not line.startswith("inspect")]


@pytest.fixture
def machine(tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(images, "are_local", lambda: False)
    monkeypatch.setattr(waiting, "INTERVAL_SECONDS", 0.01)
    kind.OWNED.parent.mkdir()
    kind.OWNED.write_text(ID)
    return Machine(tmp_path, stand_in)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], None]:
    """Returns what lets a file say something else once somebody has waited for it."""

    def change(file: Path, text: str) -> None:
        monkeypatch.setattr("cluster.waiting.time.sleep", lambda _: file.write_text(text))

    return change


@pytest.mark.parametrize(("state", "verb"), [("exited", "start"), ("created", "start"), ("paused", "unpause")])
def test_a_node_that_was_stopped_goes_on(machine: Machine, state: str, verb: str) -> None:
    machine.files["state"].write_text(f"{state}\n")
    kind.ensure()
    assert machine.asked("docker")[0] == f"{verb} {node.NODE}"
    assert machine.asked("kind") == []


def test_a_node_that_runs_is_left_alone(machine: Machine) -> None:
    kind.ensure()
    assert machine.asked("docker")[0].startswith(f"exec {node.NODE}")
    assert machine.asked("kind") == []


def test_a_node_that_starts_by_itself_is_waited_for(machine: Machine, later: Callable[[Path, str], None]) -> None:
    machine.files["state"].write_text("restarting\n")
    later(machine.files["state"], "running\n")
    kind.ensure()
    assert machine.asked("kind") == []


def test_what_pods_were_before_the_node_started_is_not_believed(
    machine: Machine, later: Callable[[Path, str], None]
) -> None:
    machine.files["since"].write_text("2026-11-29T12:00:07Z\n2026-11-28T08:00:00Z\n")
    assert not node.is_back()
    later(machine.files["since"], "2026-11-29T12:00:07Z\n2026-11-29T12:00:09Z\n")
    kind.ensure()
    assert node.is_back()


@pytest.mark.parametrize(
    ("does", "told"),
    [("true", "did not answer within 0 s"), ("echo the port is taken; exit 1", "the port is taken")],
    ids=["silent", "refused"],
)
def test_a_cluster_that_does_not_come_back_is_kept_and_told(
    machine: Machine, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, does: str, told: str
) -> None:
    machine.files["state"].write_text("exited\n")
    stand_in("docker", DOCKER.replace("{does}", does).format(**machine.files))
    monkeypatch.setattr(node, "BACK_SECONDS", 0)
    with pytest.raises(
        SurroundingsError, match=r"kept, with its data; to give it up: make down, then make up"
    ) as error:
        kind.ensure()
    assert told in str(error.value)
    assert machine.asked("kind") == []


def test_a_kubeconfig_that_does_not_lead_to_the_cluster_is_mended(machine: Machine) -> None:
    machine.files["context"].unlink()
    kind.ensure()
    assert machine.asked("kind") == [f"export kubeconfig --name {node.NAME}"]


def test_a_cluster_whose_creation_was_interrupted_is_made_anew(machine: Machine) -> None:
    kind.OWNED.write_text("creating")
    machine.files["context"].unlink()
    kind.ensure()
    assert [line.split()[0] for line in machine.asked("kind")] == ["delete", "create"]
    assert kind.OWNED.read_text() == ID


def test_a_cluster_that_has_been_used_since_is_not_taken_for_half_made(machine: Machine) -> None:
    kind.OWNED.write_text("creating")
    machine.files["complete"].write_text("")
    kind.ensure()
    assert machine.asked("kind") == []
    assert machine.asked("kubectl")[-1].endswith(f"label nodes --all --overwrite {node.COMPLETE}")


def test_a_stopped_cluster_that_may_be_anothers_is_not_offered_for_deletion_alone(machine: Machine) -> None:
    kind.OWNED.unlink()
    machine.files["state"].write_text("exited\n")
    assert not kind.is_ours()
    assert f"docker start {node.NODE}" in kind.NOT_OURS
