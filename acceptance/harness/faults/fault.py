"""What a fault hits, what it may hit, how long it lasts, and how each kind is undone."""

import json
import math
import time
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any

from kubernetes import client

from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError
from acceptance.harness.faults.journal import Undo
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.node import Node
from acceptance.harness.kube.objects import Target, Workload
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
            f"{name} does not carry {PART_OF}: {system}; --fault-backends {name} allows to hit it"
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
