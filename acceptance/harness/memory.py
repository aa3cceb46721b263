"""What the agent's containers hold in memory, as their node counts it."""

from acceptance.harness import system
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.node import Node
from acceptance.harness.objects import Pod

MIB = 2**20
CONTAINERS = {"agent": system.AGENT_APP.container, "sidecar": system.AGENT_SIDECAR.container}


def mebibytes(cluster: Cluster) -> dict[str, dict[str, float]]:
    """Resident MiB of app and sidecar in each pod. Raises EnvironmentNotReadyError without their node."""
    pods = system.agent_pods(cluster)
    return {name: {pod.name: _resident(pod, container) for pod in pods} for name, container in CONTAINERS.items()}


def _resident(pod: Pod, container: str) -> float:
    found = Node(pod.node).resident_bytes(pod.containers[container].id) / MIB
    if not found:
        raise EnvironmentNotReadyError(f"the memory of {pod.name} cannot be read on node {pod.node}")
    return found
