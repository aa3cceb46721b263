"""Faults as context managers: from a steady state, on our own workloads, seen to bite, and always undone."""

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import Any

from kubernetes import client

from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError, NotYetError, UnmetError
from acceptance.harness.faults.journal import Journal, Undo
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.node import Node, Processes, processes_of
from acceptance.harness.kube.objects import Pod, Target, Workload
from acceptance.harness.kube.workload import find, require_ready, serving_pod
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.timeline import Timeline

REMOVED_S = 180
PART_OF = "app.kubernetes.io/part-of"


@dataclass
class Fault:
    """A fault: what it hits, since when it bites, how long it has to last, and when it was undone."""

    target: Target
    timeline: Timeline
    lasts_s: float = 0.0
    pods: frozenset[str] = frozenset()
    """Uids of the pods that it hits."""
    at: float = math.inf
    undone: float = math.inf

    def bites(self, how: str) -> None:
        """Note that it begins now."""
        self.at = self.timeline.note("fault", how, str(self.target))

    def note_undone(self) -> None:
        """Note that it is over."""
        self.undone = self.timeline.note("fault", "undone", str(self.target))

    def remaining_s(self) -> float:
        """Seconds until it has lasted long enough."""
        return max(0.0, self.at + self.lasts_s - time.monotonic())


def require_allowed(workload: Workload, system: str, allowed: frozenset[str]) -> None:
    """Raise EnvironmentNotReadyError unless a workload is part of a system, or was named as a foreign one."""
    name = f"{workload.namespace}/{workload.name}"
    if workload.labels.get(PART_OF) != system and name not in allowed:
        raise EnvironmentNotReadyError(
            f"{name} does not carry {PART_OF}: {system}; --acceptance-fault-backends {name} allows to hit it"
        )


def resume(node: str, container: str) -> None:
    """Let the processes of a stopped container go on; a container that is gone needs nothing."""
    Node(node).signal(container, "CONT")


def undo_table(cluster: Cluster) -> dict[str, Undo]:
    """How each kind of journal entry is undone; every step may be repeated."""
    return {
        "scale": _if_there(cluster.scale),
        "continue": resume,
        "replace": cluster.delete_pod,
        "patch": _if_there(cluster.patch),
        "create": _if_there(cluster.create),
        "exec": _if_there(cluster.execute),
        "annotate": _if_there(cluster.annotate_pods),
        "delete secret": cluster.delete_secret,
        "remove": partial(_remove, cluster),
    }


def _remove(cluster: Cluster, *, objects: list[dict[str, Any]]) -> None:
    """Delete objects, and wait until they are gone; those that are gone already are fine."""
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=json.dumps(listed), timeout_s=REMOVED_S)


def _if_there(undo: Undo) -> Undo:
    """An undo of what may have been removed since, by another hand: then nothing is left to undo."""

    def undone(**arguments: Any) -> None:
        try:
            undo(**arguments)
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        except KubectlError as error:
            if "(NotFound)" not in str(error):
                raise

    return undone


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
    system: str
    """What the `app.kubernetes.io/part-of` of what may be hit says."""
    allowed: frozenset[str] = frozenset()
    # What else has to fall silent when a target is frozen: open before, asked after.
    proofs: Mapping[Target, Proof] = field(default_factory=dict)

    @contextmanager
    def killed(self, target: Target, timeline: Timeline, lasts_s: float = AWAY_S) -> Iterator[Fault]:
        """Scale the StatefulSet to 0 and SIGKILL its container from the node; it comes back after `lasts_s`."""
        workload, pods = self.begin(target)
        hit = [processes_of(pod, target) for pod in pods]
        reachable = all(one.reachable for one in hit)
        entry = self.journal.promise("scale", namespace=target.namespace, name=target.name, replicas=workload.desired)
        stopped = [self._promise_to_continue(one) for one in hit if reachable]
        with self._undoing(fault := Fault(target, timeline, lasts_s), entry, *stopped):
            if reachable:
                # Stopped first, it cannot make use of the SIGTERM that scaling to 0 sends it.
                fault.bites("killed: scaled to 0, SIGKILL from the node")
                self._signal("STOP", hit)
                self.cluster.scale(target.namespace, target.name, 0)
                for one in hit:
                    one.node.signal(one.container, "KILL")
                for one in hit:
                    self._until(f"every process of {one} to be gone", one.missing_dead)
                for promised in stopped:
                    self.journal.undo(promised)
            else:
                self.cluster.scale(target.namespace, target.name, 0)
                for pod in pods:
                    self.cluster.delete_pod(pod.namespace, pod.name, grace_s=0)
                fault.bites("killed: scaled to 0, pods deleted by force, since the node cannot be entered")
                for pod in pods:
                    self._until(f"pod {pod.name} to be gone", partial(self._left_of, pod))
            yield fault

    @contextmanager
    def frozen(self, target: Target, timeline: Timeline, lasts_s: float = FROZEN_S) -> Iterator[Fault]:
        """Stop every process of a container from the node. Raises EnvironmentNotReadyError where that is impossible."""
        hit = self._entered(target)
        entries = [self._promise_to_continue(one) for one in hit]
        proof = self.proofs.get(target, nullcontext)
        with self._undoing(fault := Fault(target, timeline, lasts_s), *entries), proof() as answered:
            fault.bites("frozen: SIGSTOP from the node")
            self._signal("STOP", hit)
            for one in hit:
                self._until(f"every process of {one} in state T", one.missing_stopped)
            if answered:
                self._until(f"{target} to leave what is open unanswered", answered)
            yield fault

    @contextmanager
    def killed_in_place(self, target: Target, timeline: Timeline) -> Iterator[Fault]:
        """SIGKILL one container and leave its restart to kubelet; afterwards the pod is replaced: fresh back-off."""
        hit = self._entered(target)
        entries = [self.journal.promise("replace", namespace=one.pod.namespace, name=one.pod.name) for one in hit]
        pods = frozenset(one.pod.uid for one in hit)
        with self._undoing(fault := Fault(target, timeline, pods=pods), *entries):
            fault.bites("killed in place: SIGKILL from the node")
            self._signal("KILL", hit)
            for one in hit:
                self._until(f"{one} in a new container", partial(self._still_in, one, target))
            yield fault

    def begin(self, target: Target) -> tuple[Workload, list[Pod]]:
        """The target's workload and what is hit of its pods, once the steady state holds.

        Raises EnvironmentNotReadyError if it may not be hit.
        """
        workload = find(self.cluster, target.namespace, target.name)
        require_allowed(workload, self.system, self.allowed)
        self.require_steady()
        ready = partial(require_ready, self.cluster, target.namespace, target.name)
        self.waiting.until(f"{target} to be ready", ready, STEADY_S)
        if target.every:
            return workload, self.cluster.pods(target.namespace, workload.selector)
        return workload, [serving_pod(self.cluster, target.namespace, target.name)]

    @contextmanager
    def _undoing(self, fault: Fault, *entries: str) -> Iterator[None]:
        """Let a fault last as long as it has to, unless something goes wrong; undo all of it in any case."""
        with ExitStack() as undo:
            undo.callback(fault.note_undone)
            for entry in entries:
                undo.callback(self.journal.undo, entry)
            yield
            self.waiting.through(fault.remaining_s(), f"the fault on {fault.target} to last long enough")

    def _entered(self, target: Target) -> list[Processes]:
        hit = [processes_of(pod, target) for pod in self.begin(target)[1]]
        for one in hit:
            if not one.reachable:
                raise EnvironmentNotReadyError(
                    f"node {one.pod.node} cannot be entered from here, so this fault is impossible"
                )
        return hit

    def _promise_to_continue(self, hit: Processes) -> str:
        return self.journal.promise("continue", node=hit.pod.node, container=hit.container)

    def _signal(self, signal: str, hit: list[Processes]) -> None:
        for one in hit:
            if not one.node.signal(one.container, signal):
                raise EnvironmentNotReadyError(f"the fault did not bite: {one}: no process found on {one.pod.node}")

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

    def _still_in(self, hit: Processes, target: Target) -> str:
        found = [one for one in self.cluster.pods(hit.pod.namespace) if one.uid == hit.pod.uid]
        now = found[0].containers[target.container].id if found else ""
        return "" if now not in {hit.container, ""} else f"container {hit.container[:12]} is not replaced yet"
