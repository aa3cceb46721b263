"""What the agent's containers hold in memory, as their node counts it."""

from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube.node import Node
from acceptance.harness.kube.objects import Pod

MIB = 2**20


def mebibytes(system: System) -> dict[str, dict[str, float]]:
    """Resident MiB of app and sidecar in each pod. Raises EnvironmentNotReadyError without their node."""
    pods, containers = system.agent_pods(), {"agent": system.agent.container, "sidecar": system.sidecar.container}
    return {name: {pod.name: _resident(pod, container) for pod in pods} for name, container in containers.items()}


def _resident(pod: Pod, container: str) -> float:
    found = Node(pod.node).resident_bytes(pod.containers[container].id) / MIB
    if not found:
        raise EnvironmentNotReadyError(f"the memory of {pod.name} cannot be read on node {pod.node}")
    return found
