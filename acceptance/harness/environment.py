"""What has to be there before a run can say anything about the system."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from acceptance.harness.cluster import Cluster
from acceptance.harness.config_map import ConfigMap
from acceptance.harness.creation import MANAGERS, created
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.fault import undo_table
from acceptance.harness.journal import Journal, Undo
from acceptance.harness.kubeconfig import private_copy
from acceptance.harness.kubectl import KubectlError
from acceptance.harness.lease import Lease, holder_of
from acceptance.harness.names import Names
from acceptance.harness.options import Options
from acceptance.harness.overlay import applied
from acceptance.harness.waiting import Waiting

# A line per node: its name and whether it is out of disk.
DISK_PRESSURE = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="DiskPressure")].status}{"\\n"}{end}'
KEPT_IN = "default"
"""A namespace that every cluster has, and that no run makes or removes."""


@dataclass(frozen=True)
class Environment:
    """What a run works on: the cluster, which no other run does meanwhile, and how to undo what it does there."""

    cluster: Cluster
    journal: Journal
    undone: list[str]
    """What an earlier run had left to undo."""


@contextmanager
def opened(options: Options, run: str, waiting: Waiting, failed: Callable[[], bool]) -> Iterator[Environment]:
    """The cluster that the options name, checked and held; what was created for the run goes with it, as --keep says.

    What an earlier run left open is undone first. Raises EnvironmentNotReadyError.
    """

    def keep() -> bool:
        return options.keep == "always" or (options.keep == "on-failure" and failed())

    with ExitStack() as stack:
        if options.cluster in MANAGERS:
            kubectl = stack.enter_context(created(options.cluster, keep))
        else:
            kubectl = stack.enter_context(private_copy(options.cluster, options.context))
        cluster = Cluster(kubectl)
        require_dapr(cluster)
        require_disk(cluster)
        journal = stack.enter_context(held(cluster, name_of(options.names), run, undo_table(cluster), waiting))
        undone = journal.undo_all()
        stack.callback(journal.undo_all)
        overlay = options.overlay or (options.cluster if options.cluster in MANAGERS else None)
        if overlay:
            stack.enter_context(applied(kubectl, journal, overlay, options.names, keep))
        yield Environment(cluster, journal, undone)


def name_of(names: Names) -> str:
    """What Lease and journal of runs on a system are called, whatever checkout they come from."""
    return f"acceptance-{names.namespace}"


@contextmanager
def held(cluster: Cluster, name: str, run: str, undo: dict[str, Undo], waiting: Waiting) -> Iterator[Journal]:
    """The journal of this name in the cluster, which no other run has meanwhile. Raises EnvironmentNotReadyError."""
    with Lease(cluster, KEPT_IN, name, holder_of(run)).held(waiting) as lease:
        yield Journal(ConfigMap(cluster, KEPT_IN, name), undo, lease.require)


def require_dapr(cluster: Cluster) -> None:
    """Raise EnvironmentNotReadyError unless the cluster knows Dapr's kinds."""
    try:
        cluster.kubectl.run("get", "crd", "components.dapr.io", "-o", "name")
    except KubectlError as error:
        raise EnvironmentNotReadyError(f"Dapr is not installed: {error}") from error


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
