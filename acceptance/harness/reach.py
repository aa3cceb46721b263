"""Everything a run opens to reach the system, closed together."""

from acceptance.harness.api import Api
from acceptance.harness.kubectl import Kubectl
from acceptance.harness.port_forward import PortForward


class Reach:
    """Port-forwards and HTTP clients of one run."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl
        self._apis: list[Api] = []
        self.forwards: list[PortForward] = []

    def forward(self, namespace: str, workload: str, *ports: int) -> PortForward:
        """A supervised port-forward to a workload."""
        self.forwards.append(PortForward(self._kubectl, namespace, workload, ports).open())
        return self.forwards[-1]

    def api(self, forward: PortForward, port: int) -> Api:
        """An HTTP client on one of a forward's ports."""
        self._apis.append(Api(forward, port))
        return self._apis[-1]

    def close(self) -> None:
        """Close clients, then forwards."""
        for api in self._apis:
            api.close()
        for forward in self.forwards:
            forward.close()
