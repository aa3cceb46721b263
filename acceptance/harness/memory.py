"""What the agent's containers hold in memory, as their node counts it."""

from acceptance.harness import system
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.node import Node

MIB = 2**20


def mebibytes(cluster: Cluster) -> dict[str, float]:
    """Resident MiB of the processes of the app and its sidecar. Raises EnvironmentNotReadyError without their node."""
    pod = system.agent_pod(cluster)
    node = Node(pod.node)
    targets = {"agent": system.AGENT_APP, "sidecar": system.AGENT_SIDECAR}
    found = {name: node.resident_bytes(pod.containers[target.container].id) / MIB for name, target in targets.items()}
    if not all(found.values()):
        raise EnvironmentNotReadyError(f"the memory of {pod.name} cannot be read on node {pod.node}")
    return found
