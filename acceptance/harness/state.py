"""What the cause of a failure is looked for in."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from acceptance.harness import system
from acceptance.harness.api import Api
from acceptance.harness.cluster import Cluster
from acceptance.harness.fault import Target
from acceptance.harness.objects import Pod, Workload

APPS = (system.AGENT, system.CALLER)


@dataclass
class State:
    """What the rules look at; each part is read when a rule first needs it."""

    cluster: Cluster
    agent: Api | None = None
    sidecar: Api | None = None
    backends: tuple[Target, ...] = field(default=(system.KAFKA, system.POSTGRES))
    under_fault: frozenset[str] = frozenset()
    """Backends and Components that the run itself took away: never the cause of what goes wrong without them."""

    @property
    def own_backends(self) -> list[Target]:
        """Backends that nobody here broke."""
        broken = [system.TARGETS.get(name) for name in self.under_fault]
        return [one for one in self.backends if one not in broken]

    @property
    def forgiven(self) -> set[str]:
        """Checks of /ready that fail for what the run itself broke."""
        return {check for name in self.under_fault for check in system.DEPENDENCIES.get(name, ())}

    @cached_property
    def apps(self) -> dict[str, Workload]:
        """Our two services by name."""
        return {one.name: one for one in self.cluster.workloads(system.NAMESPACE) if one.name in APPS}

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
