"""Replacing the pods of a workload, or doing without them for a time."""

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Target, Workload
from acceptance.harness.kube.workload import find, require_ready
from acceptance.harness.waiting import Waiting


def replaced(faults: Faults, *targets: Target, within_s: float) -> float:
    """Seconds from deleting every pod of some workloads until all of them are ready with new pods only.

    The steady state holds before and after.
    """
    workloads = [faults.begin(target)[0] for target in targets]
    seconds = _renewed(faults, workloads, _delete_pods, within_s)
    faults.require_steady()
    return seconds


def rolled(faults: Faults, target: Target, within_s: float) -> float:
    """Seconds a rolling restart of a workload takes until all of it is new and ready, and nothing old is left."""
    return _renewed(faults, [faults.begin(target)[0]], _roll, within_s)


@contextmanager
def scaled(
    cluster: Cluster, journal: Journal, target: Target, replicas: int, waiting: Waiting, within_s: float
) -> Iterator[None]:
    """A Deployment with so many ready pods, none for 0; it is scaled back in any case."""
    workload = find(cluster, target.namespace, target.name)
    as_it_was = {"op": "replace", "path": "/spec/replicas", "value": workload.desired}
    there = {"namespace": workload.namespace, "reference": workload.reference}

    def with_so_many() -> None:
        pods = [pod.name for pod in cluster.pods(workload.namespace, workload.selector)]
        if len(pods) != replicas:
            raise NotYetError(f"{len(pods)} are there: {', '.join(pods) or 'none'}")
        if replicas:
            require_ready(cluster, workload.namespace, workload.name)

    with journal.promised("patch", operations=[as_it_was], **there):
        cluster.patch(operations=[{**as_it_was, "value": replicas}], **there)
        waiting.until(f"{replicas} pods of {workload.name}", with_so_many, within_s)
        yield


def until_new(cluster: Cluster, workload: Workload, old: Collection[str], waiting: Waiting, within_s: float) -> None:
    """Wait until a workload is ready and none of its old pods, told by uid, is left. Raises UnmetError."""

    def with_new_pods_only() -> None:
        left = [pod.name for pod in cluster.pods(workload.namespace, workload.selector) if pod.uid in old]
        if left:
            raise NotYetError(f"{', '.join(left)} is still there")
        require_ready(cluster, workload.namespace, workload.name)

    waiting.until(f"{workload.name} with new pods only", with_new_pods_only, within_s)


def _renewed(
    faults: Faults, workloads: Sequence[Workload], renew: Callable[[Cluster, Workload], None], within_s: float
) -> float:
    started, cluster = time.monotonic(), faults.cluster
    old = {pod.uid for one in workloads for pod in cluster.pods(one.namespace, one.selector)}
    for workload in workloads:
        renew(cluster, workload)
    for workload in workloads:
        until_new(cluster, workload, old, faults.waiting, within_s)
    return time.monotonic() - started


def _delete_pods(cluster: Cluster, workload: Workload) -> None:
    for pod in cluster.pods(workload.namespace, workload.selector):
        cluster.delete_pod(pod.namespace, pod.name)


def _roll(cluster: Cluster, workload: Workload) -> None:
    cluster.kubectl.run("-n", workload.namespace, "rollout", "restart", workload.reference)
