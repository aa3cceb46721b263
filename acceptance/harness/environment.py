"""What has to be there before a run can say anything about the system."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from acceptance.harness.cluster import Cluster
from acceptance.harness.creation import MANAGERS, created
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kubeconfig import private_copy
from acceptance.harness.kubectl import KubectlError
from acceptance.harness.options import Options
from acceptance.harness.overlay import applied

# A line per node: its name and whether it is out of disk.
DISK_PRESSURE = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="DiskPressure")].status}{"\\n"}{end}'


@contextmanager
def opened(options: Options, failed: Callable[[], bool]) -> Iterator[Cluster]:
    """The cluster that the options name, checked; what was created for the run goes with it, as --keep says.

    Raises EnvironmentNotReadyError.
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
        overlay = options.overlay or (options.cluster if options.cluster in MANAGERS else None)
        if overlay:
            stack.enter_context(applied(kubectl, overlay, keep))
        yield cluster


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
