"""Replacing the pods of a workload, or doing without them for a time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import NotYetError
from acceptance.harness.fault import Target
from acceptance.harness.journal import Journal
from acceptance.harness.objects import Workload
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import find, require_ready


@dataclass
class Restart:
    """How long a restart took until the workload was ready with new pods only."""

    seconds: float = 0.0


@contextmanager
def replaced(cluster: Cluster, target: Target, waiting: Waiting, within_s: float) -> Iterator[Restart]:
    """Delete every pod of a workload; on leaving, new ones are ready and the old ones are gone."""
    started = time.monotonic()
    workload = find(cluster, target.namespace, target.name)
    old = {pod.uid for pod in cluster.pods(target.namespace, workload.selector)}
    for pod in cluster.pods(target.namespace, workload.selector):
        cluster.delete_pod(pod.namespace, pod.name)
    restart = Restart()
    yield restart
    until_new(cluster, workload, old, waiting, within_s)
    restart.seconds = time.monotonic() - started


def roll(cluster: Cluster, target: Target, waiting: Waiting, within_s: float) -> float:
    """Seconds a rolling restart of a workload takes until all of it is new and ready, and nothing old is left."""
    started = time.monotonic()
    workload = find(cluster, target.namespace, target.name)
    old = {pod.uid for pod in cluster.pods(target.namespace, workload.selector)}
    cluster.kubectl.run("-n", target.namespace, "rollout", "restart", workload.reference)
    until_new(cluster, workload, old, waiting, within_s)
    return time.monotonic() - started


@contextmanager
def scaled(
    cluster: Cluster, journal: Journal, target: Target, replicas: int, waiting: Waiting, within_s: float
) -> Iterator[None]:
    """A Deployment with so many ready pods, none for 0; it is scaled back in any case."""
    workload = find(cluster, target.namespace, target.name)
    as_it_was = {"op": "replace", "path": "/spec/replicas", "value": workload.desired}
    entry = journal.promise("patch", namespace=workload.namespace, reference=workload.reference, operations=[as_it_was])

    def with_so_many() -> None:
        pods = [pod.name for pod in cluster.pods(workload.namespace, workload.selector)]
        if len(pods) != replicas:
            raise NotYetError(f"{len(pods)} are there: {', '.join(pods) or 'none'}")
        if replicas:
            require_ready(cluster, workload.namespace, workload.name)

    try:
        cluster.patch(workload.namespace, workload.reference, [{**as_it_was, "value": replicas}])
        waiting.until(f"{replicas} pods of {workload.name}", with_so_many, within_s)
        yield
    finally:
        journal.undo(entry)


def until_new(cluster: Cluster, workload: Workload, old: set[str], waiting: Waiting, within_s: float) -> None:
    """Wait until a workload is ready and none of its old pods, told by uid, is left. Raises UnmetError."""

    def with_new_pods_only() -> None:
        left = [pod.name for pod in cluster.pods(workload.namespace, workload.selector) if pod.uid in old]
        if left:
            raise NotYetError(f"{', '.join(left)} is still there")
        require_ready(cluster, workload.namespace, workload.name)

    waiting.until(f"{workload.name} with new pods only", with_new_pods_only, within_s)
