"""Everything a run opens to reach the system, closed together."""

from functools import partial

from acceptance.harness.api import Api
from acceptance.harness.cluster import Cluster
from acceptance.harness.port_forward import PortForward
from acceptance.harness.workload import serving_pod


class Reach:
    """Port-forwards and HTTP clients of one run."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._apis: list[Api] = []
        self.forwards: list[PortForward] = []

    def forward(self, namespace: str, name: str, *ports: int) -> PortForward:
        """A supervised port-forward to a Deployment or StatefulSet."""
        pod = partial(serving_pod, self._cluster, namespace, name)
        self.forwards.append(PortForward(self._cluster.kubectl, f"{namespace}/{name}", pod, ports).open())
        return self.forwards[-1]

    def api(self, forward: PortForward, port: int, headers: dict[str, str] | None = None) -> Api:
        """An HTTP client on one of a forward's ports, with headers of every request."""
        self._apis.append(Api(forward, port, headers))
        return self._apis[-1]

    def close(self) -> None:
        """Close clients, then forwards."""
        for api in self._apis:
            api.close()
        for forward in self.forwards:
            forward.close()
