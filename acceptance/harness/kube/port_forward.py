"""A supervised `kubectl port-forward`: free local ports, opened again whenever its pod is replaced."""

import re
import subprocess
from collections.abc import Callable
from threading import Event, Thread

import urllib3
from kubernetes import client

from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.kube.objects import Pod

LISTENING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) -> (\d+)")
# kubectl may go on listening for a pod that is gone; these words on its output mean that it is.
POD_GONE = re.compile(r"lost connection|not running|not found|no such container|namespace|sandbox", re.IGNORECASE)
REOPEN_S = 0.2


class PortForward:
    """Local ports that reach one workload for as long as it is open, whichever pod serves it.

    `pod` names the pod to connect to, anew each time; it may raise NotYetError.
    """

    def __init__(self, kubectl: Kubectl, workload: str, pod: Callable[[], Pod], ports: tuple[int, ...]) -> None:
        self._kubectl = kubectl
        self._pod = pod
        self._ports = ports
        self._local: dict[int, int] = {}
        self._said = "not opened yet"
        self._closing = Event()
        self._up = Event()
        self._process: subprocess.Popen[str] | None = None
        self._thread = Thread(target=self._supervise, name=f"port-forward {workload}", daemon=True)
        self.workload = workload
        self.opened = 0

    def open(self) -> "PortForward":
        """Start to supervise; `address` answers as soon as the first connection stands."""
        self._thread.start()
        return self

    def address(self, port: int, within_s: float = 5) -> str:
        """`127.0.0.1:<local port>` for a port of the workload. Raises NotYetError with what kubectl said last."""
        self._up.wait(within_s)
        local = self._local.get(port)
        if local is None:
            raise NotYetError(f"port-forward to {self.workload}:{port} is down: {self._said}")
        return f"127.0.0.1:{local}"

    def renew(self) -> None:
        """Drop the present connection; the next one picks a pod anew."""
        self._up.clear()
        if self._process:
            self._process.terminate()

    def close(self) -> None:
        """End kubectl and the supervision."""
        self._closing.set()
        self.renew()
        self._thread.join(timeout=5)

    @property
    def reopened(self) -> int:
        """How often it had to come back."""
        return max(0, self.opened - 1)

    def _supervise(self) -> None:
        while not self._closing.is_set():
            try:
                self._forward(self._pod())
            except (NotYetError, client.ApiException, urllib3.exceptions.HTTPError) as error:
                self._said = str(error)
            self._up.clear()
            self._local = {}
            self._closing.wait(REOPEN_S)

    def _forward(self, pod: Pod) -> None:
        arguments = ("-n", pod.namespace, "port-forward", "--address=127.0.0.1", f"pod/{pod.name}")
        with self._kubectl.start(*arguments, *(f":{port}" for port in self._ports)) as self._process:
            for line in self._process.stdout or ():
                self._note(line.strip())

    def _note(self, line: str) -> None:
        if found := LISTENING.search(line):
            self._local[int(found[2])] = int(found[1])
            if len(self._local) == len(self._ports):
                self.opened += 1
                self._up.set()
        elif not line.startswith("Handling connection"):
            self._said = line
            if POD_GONE.search(line):
                self.renew()
