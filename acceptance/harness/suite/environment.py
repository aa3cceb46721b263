"""What a run works on: a cluster that no other run has meanwhile, and what has to be undone there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError
from acceptance.harness.faults.faults import undo_table
from acceptance.harness.faults.journal import Journal, Undo
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.config_map import ConfigMap
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.kube.lease import Lease, holder_of
from acceptance.harness.waiting import Waiting

# A line per node: its name and whether it is out of disk.
DISK_PRESSURE = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="DiskPressure")].status}{"\\n"}{end}'
KEPT_IN = "default"
"""A namespace that every cluster has, and that no run makes or removes."""


@dataclass(frozen=True)
class Environment:
    """The cluster of a run, and how to undo what it does there."""

    cluster: Cluster
    journal: Journal
    undone: list[str]
    """What an earlier run had left to undo."""


@contextmanager
def opened(
    kubectl: Kubectl, name: str, run: str, waiting: Waiting, undo: dict[str, Undo] | None = None
) -> Iterator[Environment]:
    """A cluster, checked and held under a name; what an earlier run left open there is undone first.

    `undo` is how kinds of journal entries are undone beside those of the faults. Raises EnvironmentNotReadyError.
    """
    cluster = Cluster(kubectl)
    require_disk(cluster)
    with held(cluster, name, run, undo_table(cluster) | (undo or {}), waiting) as journal:
        undone = journal.undo_all()
        try:
            yield Environment(cluster, journal, undone)
        finally:
            journal.undo_all()


@contextmanager
def held(cluster: Cluster, name: str, run: str, undo: dict[str, Undo], waiting: Waiting) -> Iterator[Journal]:
    """The journal of this name in the cluster, which no other run has meanwhile. Raises EnvironmentNotReadyError."""
    with Lease(cluster, KEPT_IN, name, holder_of(run)).held(waiting) as lease:
        yield Journal(ConfigMap(cluster, KEPT_IN, name), undo, lease.require)


def require_disk(cluster: Cluster) -> None:
    """Raise EnvironmentNotReadyError when a node is out of disk; who may not look at nodes is not told."""
    try:
        nodes = cluster.kubectl.run("get", "nodes", "-o", f"jsonpath={DISK_PRESSURE}")
    except KubectlError as error:
        if "(Forbidden)" in str(error):
            return
        raise EnvironmentNotReadyError(f"the nodes cannot be listed: {error}") from error
    full = [line.split()[0] for line in nodes.splitlines() if line.endswith(" True")]
    if full:
        raise EnvironmentNotReadyError(f"node {', '.join(full)} reports DiskPressure: free some disk")
