"""A node entered from this machine, to signal a container's processes from outside its own PID namespace."""

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube.objects import Pod, Target

CONTAINER_ID = re.compile(r"[0-9a-f]{12,}")


class Node:
    """A node that is a container of this machine's engine, as kind's and minikube's docker driver make them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def reachable(self, container_id: str) -> bool:
        """Whether the node can be entered from here, and holds the container: another may bear its name by chance."""
        if not shutil.which("docker"):
            return False
        try:
            return bool(self.pids(container_id))
        except EnvironmentNotReadyError:
            return False

    def pids(self, container_id: str) -> list[int]:
        """Every process of a container, as the node numbers them; empty when the container is gone."""
        if not CONTAINER_ID.fullmatch(container_id):
            raise ValueError(f"{container_id!r} is not a container id")
        found = self._sh(f"grep -ls {container_id} /proc/[0-9]*/cgroup || true").split()
        return [int(Path(path).parent.name) for path in found]

    def signal(self, container_id: str, signal: str) -> list[int]:
        """Send KILL, STOP or CONT to every process of a container; the processes it was sent to."""
        pids = self.pids(container_id)
        if pids:
            self._sh(f"kill -{signal} {' '.join(map(str, pids))} 2>/dev/null || true")
        return pids

    def states(self, container_id: str) -> dict[int, str]:
        """The state letter of each process of a container: T is stopped."""
        pids = self.pids(container_id)
        if not pids:
            return {}
        files = " ".join(f"/proc/{pid}/stat" for pid in pids)
        lines = self._sh(f"cat {files} 2>/dev/null || true").splitlines()
        # The name in parentheses may hold anything, so what counts begins behind the last one.
        return {int(line.split(" ")[0]): line.rpartition(")")[2].split()[0] for line in lines}

    def resident_bytes(self, container_id: str) -> int:
        """Resident memory of a container's processes, in bytes; 0 when it has none."""
        files = " ".join(f"/proc/{pid}/status" for pid in self.pids(container_id))
        lines = self._sh(f"grep -h VmRSS {files} 2>/dev/null || true").splitlines() if files else []
        return sum(int(line.split()[1]) * 1024 for line in lines)

    def cpu(self, container_id: str) -> dict[str, int]:
        """The counters of a container's control groups, as `cpu.stat` has them; empty when the container is gone."""
        if not self.pids(container_id):
            return {}
        # with the first version of control groups what a limit held up is counted apart from what was used; groups of
        # pods that end meanwhile are no error
        files = self._sh(f"find /sys/fs/cgroup -ignore_readdir_race -path '*{container_id}*/cpu.stat' -exec cat {{}} +")
        return {name: int(value) for name, value in map(str.split, files.splitlines())}

    def _sh(self, script: str) -> str:
        try:
            done = subprocess.run(
                ["docker", "exec", self.name, "sh", "-c", script],
                capture_output=True,
                text=True,
                timeout=20,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise EnvironmentNotReadyError(f"node {self.name}: no answer within 20 s") from error
        if done.returncode:
            raise EnvironmentNotReadyError(f"node {self.name} cannot be entered: {done.stderr.strip()}")
        return done.stdout


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
