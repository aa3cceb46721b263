"""What the cause of a failure is looked for in."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from acceptance.agent import contract
from acceptance.agent.system import System
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod, Target, Workload
from acceptance.harness.probes.api import Api


@dataclass
class State:
    """What the rules look at; each part is read when a rule first needs it."""

    system: System
    agent: Api | None = None
    sidecar: Api | None = None
    under_fault: frozenset[str] = frozenset()
    """Backends and Components that the run itself took away: never the cause of what goes wrong without them."""

    @property
    def cluster(self) -> Cluster:
        """Where to look."""
        return self.system.cluster

    @property
    def names(self) -> tuple[str, str]:
        """The Deployments of our two services."""
        return self.system.agent.name, self.system.caller.name

    @property
    def backends(self) -> list[Target]:
        """Backends that are workloads of this cluster."""
        return [*self.system.own_backends.values()]

    @property
    def unbroken_backends(self) -> list[Target]:
        """Those of them that nobody here broke."""
        return [one for name, one in self.system.own_backends.items() if name not in self.under_fault]

    @property
    def forgiven(self) -> set[str]:
        """Checks of /ready that fail for what the run itself broke."""
        return {check for name in self.under_fault for check in contract.DEPENDENCIES.get(name, ())}

    @cached_property
    def apps(self) -> dict[str, Workload]:
        """Our two services by name."""
        workloads = self.cluster.workloads(self.system.namespace)
        return {one.name: one for one in workloads if one.name in self.names}

    @cached_property
    def pods(self) -> list[Pod]:
        """Pods of our two services that are not leaving."""
        pods = (pod for one in self.apps.values() for pod in self.cluster.pods(one.namespace, one.selector))
        return [pod for pod in pods if not pod.leaving]

    @cached_property
    def checks(self) -> dict[str, dict[str, Any]]:
        """The checks of /ready by name; empty when it says nothing."""
        return dict(self.agent.call("GET", "/ready").json().get("checks", {})) if self.agent else {}

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """What the agent's sidecar says of itself; empty when it says nothing."""
        return dict(self.sidecar.call("GET", "/v1.0/metadata").json()) if self.sidecar else {}
