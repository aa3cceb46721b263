"""Everything a run opens to reach the system, closed together; and what is counted there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod
from acceptance.harness.kube.port_forward import PortForward
from acceptance.harness.kube.workload import find, serving_pod
from acceptance.harness.probes.api import Api


@dataclass(frozen=True)
class Counter:
    """The series of one Prometheus counter that carry some labels, added up over all whose metrics are asked."""

    metrics: Callable[[], Iterable[Api]]
    name: str
    labels: dict[str, str] = field(default_factory=dict)

    def value(self) -> float:
        """How much was counted until now; 0 before the first."""
        lines = [line for api in self.metrics() for line in api.call("GET", "/metrics").text.splitlines()]
        wanted = [f'{label}="{value}"' for label, value in self.labels.items()]
        series = [line for line in lines if line.startswith(f"{self.name}{{") and all(one in line for one in wanted)]
        return sum(float(line.rpartition(" ")[2]) for line in series)

    def require(self, value: float) -> None:
        """Raise NotYetError until so much was counted."""
        if (seen := self.value()) < value:
            raise NotYetError(f"{self.name} {self.labels} is {seen:.0f}, not {value:.0f}")


class Reach:
    """Port-forwards and HTTP clients of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._apis: list[Api] = []
        self._by_pod: dict[tuple[str, int], Api] = {}
        self.forwards: list[PortForward] = []

    def forward(self, namespace: str, name: str, *ports: int) -> PortForward:
        """A supervised port-forward to a Deployment or StatefulSet, whichever pod serves it."""
        return self._open(f"{namespace}/{name}", partial(serving_pod, self._cluster, namespace, name), ports)

    def api(self, forward: PortForward, port: int, headers: dict[str, str] | None = None) -> Api:
        """An HTTP client on one of a forward's ports, with headers of every request."""
        self._apis.append(Api(forward, port, headers))
        return self._apis[-1]

    def every(self, namespace: str, name: str, port: int) -> list[Api]:
        """An HTTP client on a port of each pod of a workload that is there now; of a pod that stays it is the same."""
        selector = find(self._cluster, namespace, name).selector
        pods = {(pod.uid, port): pod for pod in self._cluster.pods(namespace, selector) if pod.ip and not pod.leaving}
        for key in [key for key in self._by_pod if key not in pods]:
            gone = self._by_pod.pop(key)
            gone.close()
            gone.forward.close()
        for key in pods.keys() - self._by_pod.keys():
            forward = self._open(f"{namespace}/{pods[key].name}", partial(pods.__getitem__, key), (port,))
            self._by_pod[key] = self.api(forward, port)
        return [self._by_pod[key] for key in pods]

    def close(self) -> None:
        """Close clients, then forwards."""
        for api in self._apis:
            api.close()
        for forward in self.forwards:
            forward.close()

    def _open(self, told: str, pod: Callable[[], Pod], ports: tuple[int, ...]) -> PortForward:
        self.forwards.append(PortForward(self._cluster.kubectl, told, pod, ports).open())
        return self.forwards[-1]
