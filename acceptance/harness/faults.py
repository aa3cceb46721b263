"""Faults as context managers: from a steady state, on our own workloads, seen to bite, and always undone."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import EnvironmentNotReadyError, NotYetError, UnmetError
from acceptance.harness.fault import Fault, Target, require_allowed
from acceptance.harness.journal import Journal
from acceptance.harness.node import Node
from acceptance.harness.objects import Pod, Workload
from acceptance.harness.timeline import Timeline
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import find, require_ready

AWAY_S = 25.0
FROZEN_S = 20.0
BITE_S = 15.0
STEADY_S = 30.0
# Opens something and yields what says how it was answered; empty when it was not.
Proof = Callable[[], AbstractContextManager[Callable[[], str] | None]]


@dataclass
class Faults:
    """Injects faults into one cluster and takes them back."""

    cluster: Cluster
    journal: Journal
    waiting: Waiting
    require_steady: Callable[[], None]
    allowed: frozenset[str] = frozenset()
    # What else has to fall silent when a target is frozen: open before, asked after.
    proofs: Mapping[Target, Proof] = field(default_factory=dict)

    @contextmanager
    def killed(self, target: Target, timeline: Timeline, lasts_s: float = AWAY_S) -> Iterator[Fault]:
        """Scale the StatefulSet to 0 and SIGKILL its container from the node; it comes back after `lasts_s`."""
        workload, pod = self.begin(target)
        node, container = Node(pod.node), pod.containers[target.container].id
        entered = node.reachable(container)
        entry = self.journal.promise("scale", namespace=target.namespace, name=target.name, replicas=workload.desired)
        with self._undoing(entry, Fault(target, timeline, lasts_s)) as fault:
            if entered:
                # Stopped first, it cannot make use of the SIGTERM that scaling to 0 sends it.
                stopped = self.journal.promise("continue", node=pod.node, container=container)
                fault.bites("killed: scaled to 0, SIGKILL from the node")
                self._require_bite(node.signal(container, "STOP"), f"{target}: no process found on {pod.node}")
                self.cluster.scale(target.namespace, target.name, 0)
                node.signal(container, "KILL")
                self._until(f"every process of {target} to be gone", lambda: missing_dead(node, container))
                self.journal.undo(stopped)
            else:
                self.cluster.scale(target.namespace, target.name, 0)
                self.cluster.delete_pod(pod.namespace, pod.name, grace_s=0)
                fault.bites("killed: scaled to 0, pod deleted by force, since the node cannot be entered")
                self._until(f"pod {pod.name} to be gone", lambda: self._left_of(pod))
            yield fault

    @contextmanager
    def frozen(self, target: Target, timeline: Timeline, lasts_s: float = FROZEN_S) -> Iterator[Fault]:
        """Stop every process of a container from the node. Raises EnvironmentNotReadyError where that is impossible."""
        _, pod = self.begin(target)
        node, container = self._entered(pod, target)
        entry = self.journal.promise("continue", node=pod.node, container=container)
        proof = self.proofs.get(target, nullcontext)
        with proof() as answered, self._undoing(entry, Fault(target, timeline, lasts_s)) as fault:
            fault.bites("frozen: SIGSTOP from the node")
            self._require_bite(node.signal(container, "STOP"), f"{target}: no process found on {pod.node}")
            self._until(f"every process of {target} in state T", lambda: missing_stopped(node, container))
            if answered:
                self._until(f"{target} to leave what is open unanswered", answered)
            yield fault

    @contextmanager
    def killed_in_place(self, target: Target, timeline: Timeline) -> Iterator[Fault]:
        """SIGKILL one container and leave its restart to kubelet; afterwards the pod is replaced: fresh back-off."""
        _, pod = self.begin(target)
        node, container = self._entered(pod, target)
        entry = self.journal.promise("replace", namespace=pod.namespace, name=pod.name)
        with self._undoing(entry, Fault(target, timeline)) as fault:
            fault.bites("killed in place: SIGKILL from the node")
            self._require_bite(node.signal(container, "KILL"), f"{target}: no process found on {pod.node}")
            self._until(f"{target} in a new container", lambda: self._still_in(container, pod, target))
            yield fault

    def begin(self, target: Target) -> tuple[Workload, Pod]:
        """The target's workload and pod, once the steady state holds; EnvironmentNotReadyError if it may not be hit."""
        workload = find(self.cluster, target.namespace, target.name)
        require_allowed(workload, self.allowed)
        self.require_steady()
        ready = partial(require_ready, self.cluster, target.namespace, target.name)
        self.waiting.until(f"{target} to be ready", ready, STEADY_S)
        return workload, self.cluster.pods(target.namespace, workload.selector)[0]

    @contextmanager
    def _undoing(self, entry: str, fault: Fault) -> Iterator[Fault]:
        """Let a fault last as long as it has to, unless something goes wrong; undo it in any case."""
        try:
            yield fault
            self.waiting.through(fault.remaining_s(), f"the fault on {fault.target} to last long enough")
        finally:
            self.journal.undo(entry)
            fault.undone = fault.timeline.note("fault", "undone", str(fault.target))

    def _entered(self, pod: Pod, target: Target) -> tuple[Node, str]:
        node, container = Node(pod.node), pod.containers[target.container].id
        if not node.reachable(container):
            raise EnvironmentNotReadyError(f"node {pod.node} cannot be entered from here, so this fault is impossible")
        return node, container

    def _require_bite(self, bitten: object, otherwise: str) -> None:
        if not bitten:
            raise EnvironmentNotReadyError(f"the fault did not bite: {otherwise}")

    def _until(self, expected: str, missing: Callable[[], str]) -> None:
        def bitten() -> None:
            if text := missing():
                raise NotYetError(text)

        try:
            self.waiting.until(expected, bitten, BITE_S, interval_s=0.05)
        except UnmetError as error:
            raise EnvironmentNotReadyError(f"the fault did not bite: {error}") from error

    def _left_of(self, pod: Pod) -> str:
        left = any(one.uid == pod.uid for one in self.cluster.pods(pod.namespace))
        return f"{pod.name} is still there" if left else ""

    def _still_in(self, container: str, pod: Pod, target: Target) -> str:
        found = [one for one in self.cluster.pods(pod.namespace) if one.uid == pod.uid]
        now = found[0].containers[target.container].id if found else ""
        return "" if now not in {container, ""} else f"container {container[:12]} is not replaced yet"


def missing_dead(node: Node, container: str) -> str:
    """Which processes of a container are still there."""
    return f"still there: {pids}" if (pids := node.pids(container)) else ""


def missing_stopped(node: Node, container: str) -> str:
    """Which processes of a container still run; probes start new ones, so they are stopped here too."""
    node.signal(container, "STOP")
    # A zombie has ended, and stays one: who would have to collect it is stopped.
    running = {pid: state for pid, state in node.states(container).items() if state not in {"T", "Z"}}
    return f"not stopped: {running}" if running else ""
