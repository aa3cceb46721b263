"""The processes of one container, as its node sees them."""

from dataclasses import dataclass

from acceptance.harness.fault import Target
from acceptance.harness.node import Node
from acceptance.harness.objects import Pod


@dataclass(frozen=True)
class Processes:
    """All processes of one container, told by its id, in one pod."""

    pod: Pod
    container: str
    node: Node

    def __str__(self) -> str:
        return self.pod.name

    @property
    def reachable(self) -> bool:
        """Whether the node lets us see them."""
        return self.node.reachable(self.container)

    def missing_dead(self) -> str:
        """Which of them are still there, in words."""
        return f"still there: {pids}" if (pids := self.node.pids(self.container)) else ""

    def missing_stopped(self) -> str:
        """Which of them still run, in words; probes start new ones, so they are stopped here too."""
        self.node.signal(self.container, "STOP")
        # A zombie has ended, and stays one: who would have to collect it is stopped.
        running = {pid: state for pid, state in self.node.states(self.container).items() if state not in {"T", "Z"}}
        return f"not stopped: {running}" if running else ""


def processes_of(pod: Pod, target: Target) -> Processes:
    """What a fault on a target hits in one of its pods."""
    return Processes(pod, pod.containers[target.container].id, Node(pod.node))
