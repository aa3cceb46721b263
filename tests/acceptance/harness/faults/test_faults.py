"""Faults: only from a steady state, only on what may be hit, seen to bite, and undone whatever happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError, UnmetError
from acceptance.harness.faults import faults as faults_module
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.journal import Journal, Undo
from acceptance.harness.faults.restart import replaced
from acceptance.harness.kube import node
from acceptance.harness.kube.objects import Container, Pod, Target, Workload
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.timeline import Timeline
from tests.acceptance.fakes import KAFKA, POD, Data

TARGET = Target("kafka", "kafka", "kafka")
BROKER = replace(
    POD, name="kafka-0", annotations={}, containers={"kafka": Container("kafka", "kafka:1", "abc", ready=True)}
)


class Interrupted(BaseException):
    """What Ctrl-C looks like to a context manager."""


@dataclass
class World(Data):
    """A cluster with one broker, and its node; writes down what is done to them."""

    all_workloads: list[Workload] = field(default_factory=lambda: [KAFKA])
    all_pods: dict[str, list[Pod]] = field(default_factory=lambda: {KAFKA.selector: [BROKER], "": [BROKER]})
    done: list[str] = field(default_factory=list)
    states_seen: dict[int, str] = field(default_factory=lambda: {7: "T"})
    entered: bool = True

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Write down a scale."""
        self.done.append(f"scale {namespace}/{name} {replicas}")

    def delete_pod(self, _namespace: str, name: str, grace_s: int | None = None) -> None:
        """Let a pod be gone."""
        self.done.append(f"delete {name} {grace_s}")
        self.all_pods[""] = []

    def reachable(self, _container: str) -> bool:
        """Whether the node can be entered."""
        return self.entered

    def signal(self, _container: str, signal: str) -> list[int]:
        """Send a signal to what is there."""
        self.done.append(signal)
        sent_to = list(self.states_seen)
        if signal == "KILL":
            self.states_seen = {}
        return sent_to

    def pids(self, _container: str) -> list[int]:
        """What is there."""
        return list(self.states_seen)

    def states(self, _container: str) -> dict[int, str]:
        """How it is."""
        return self.states_seen


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(node, "Node", lambda _name: world)
    monkeypatch.setattr(faults_module, "BITE_S", 0.1)
    return world


@contextmanager
def injecting(world: World, *, steady: bool = True) -> Iterator[Faults]:
    def require_steady() -> None:
        if not steady:
            raise UnmetError("the steady state", "/ready answers 503")

    def resume(node: str, container: str) -> None:
        world.signal(node + container, "CONT")

    undo: dict[str, Undo] = {"scale": world.scale, "continue": resume}
    journal = Journal({}, undo)
    yield Faults(world.as_cluster(), journal, Waiting(), require_steady, "fastapi-dapr-agent")
    assert journal.open_entries() == {}


def test_killed_is_stopped_scaled_away_killed_and_scaled_back(world: World) -> None:
    timeline = Timeline()
    with injecting(world) as faults, faults.killed(TARGET, timeline, lasts_s=0.2) as fault:
        assert world.done == ["STOP", "scale kafka/kafka 0", "KILL", "CONT"]
    assert world.done[-1] == "scale kafka/kafka 1"
    assert fault.undone - fault.at >= 0.2
    assert [one.state.split(":")[0] for one in timeline.of("fault")] == ["killed", "undone"]


def test_a_node_that_cannot_be_entered_leaves_forced_deletion(world: World) -> None:
    world.entered = False
    timeline = Timeline()
    with injecting(world) as faults, faults.killed(TARGET, timeline, lasts_s=0):
        assert world.done == ["scale kafka/kafka 0", "delete kafka-0 0"]
    assert "the node cannot be entered" in timeline.of("fault")[0].state


SECOND = replace(BROKER, name="kafka-1", uid="2")


@pytest.mark.parametrize(("target", "stopped"), [(replace(TARGET, every=True), 2), (TARGET, 1)])
def test_of_several_pods_it_hits_every_one_or_one(world: World, target: Target, stopped: int) -> None:
    world.all_workloads = [replace(KAFKA, desired=2, ready=2, updated=2)]
    world.all_pods = {KAFKA.selector: [BROKER, SECOND], "": [BROKER, SECOND]}
    with injecting(world) as faults:
        with faults.killed(target, Timeline(), lasts_s=0):
            assert (world.done.count("STOP"), world.done.count("KILL"), world.done.count("CONT")) == (stopped,) * 3
        assert world.done[-1] == "scale kafka/kafka 2"
        world.done, world.states_seen = [], {7: "T"}
        with faults.frozen(target, Timeline(), lasts_s=0):
            assert world.done.count("STOP") == 2 * stopped
        assert world.done.count("CONT") == stopped


@pytest.mark.parametrize("error", [AssertionError, Interrupted])
def test_it_is_undone_whatever_happens(world: World, error: type[BaseException]) -> None:
    with pytest.raises(error), injecting(world) as faults, faults.frozen(TARGET, Timeline(), lasts_s=60):
        raise error
    assert world.done == ["STOP", "STOP", "CONT"]


def test_nothing_is_broken_while_the_steady_state_does_not_hold(world: World) -> None:
    with injecting(world, steady=False) as faults:
        with pytest.raises(UnmetError, match="/ready answers 503"), faults.killed(TARGET, Timeline()):
            pass
        assert world.done == []


def test_what_is_not_ours_is_not_hit_unless_it_is_named(world: World) -> None:
    world.all_workloads = [replace(KAFKA, labels={})]
    with injecting(world) as faults:
        with (
            pytest.raises(EnvironmentNotReadyError, match="--acceptance-fault-backends kafka/kafka"),
            faults.killed(TARGET, Timeline()),
        ):
            pass
        with pytest.raises(EnvironmentNotReadyError, match="--acceptance-fault-backends kafka/kafka"):
            replaced(faults, TARGET, within_s=1)
        assert world.done == []
        faults.allowed = frozenset({"kafka/kafka"})
        with faults.killed(TARGET, Timeline(), lasts_s=0):
            assert world.done


def test_a_fault_that_does_not_bite_is_no_pass(world: World) -> None:
    world.states_seen = {7: "T", 8: "S"}
    with injecting(world) as faults:
        bite = pytest.raises(EnvironmentNotReadyError, match=r"did not bite.*8: 'S'")
        with bite, faults.frozen(TARGET, Timeline(), lasts_s=0):
            pass
    assert world.done[-1] == "CONT"


def test_a_process_that_ended_as_everything_was_stopped_counts_as_stopped(world: World) -> None:
    world.states_seen = {7: "T", 8: "Z"}
    with injecting(world) as faults, faults.frozen(TARGET, Timeline(), lasts_s=0):
        assert world.done[-1] == "STOP"


def test_a_query_that_is_still_answered_is_no_freeze(world: World) -> None:
    @contextmanager
    def answering() -> Iterator[object]:
        yield lambda: "a query on an open connection answered 1"

    with injecting(world) as faults:
        faults.proofs = {TARGET: answering}  # type: ignore[dict-item]  # it yields what a proof yields
        bite = pytest.raises(EnvironmentNotReadyError, match="open connection answered")
        with bite, faults.frozen(TARGET, Timeline(), lasts_s=0):
            pass
    assert world.done[-1] == "CONT"


def test_freezing_needs_the_node(world: World) -> None:
    world.entered = False
    with injecting(world) as faults:
        with pytest.raises(EnvironmentNotReadyError, match="cannot be entered"), faults.frozen(TARGET, Timeline()):
            pass
        assert world.done == []
