"""Likely causes of a failure: a table of rules, the most fundamental first, and what they look at."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from acceptance.agent import contract
from acceptance.agent.system import System
from acceptance.harness.errors import HopelessError, NotYetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod, Target, Workload
from acceptance.harness.kube.workload import missing_in, require_admission, require_hope
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry
from acceptance.harness.suite.explanation import Finding


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


def components(state: State) -> Iterator[Finding]:
    """Components that do not exist or are not for the agent."""
    existing = state.cluster.dapr_resources(state.system.namespace, "components")
    for name in sorted({contract.PUBSUB, contract.STATESTORE} - state.under_fault):
        look = f"kubectl -n {state.system.namespace} get component {name} -o yaml"
        if name not in existing:
            yield Finding(f"Component {name} does not exist", look)
        elif contract.AGENT not in existing[name].get("scopes", [contract.AGENT]):
            yield Finding(f"Component {name} is not scoped to {contract.AGENT}", look)


def loading(state: State) -> Iterator[Finding]:
    """Components that exist but that the sidecar runs without."""
    loaded = {one["name"] for one in state.metadata.get("components", [])}
    for name in sorted({contract.PUBSUB, contract.STATESTORE} - state.under_fault):
        if state.metadata and name not in loaded:
            yield Finding(
                f"Component {name} exists but the sidecar has not loaded it",
                f"kubectl -n {state.system.namespace} logs deploy/{state.system.agent.name} -c daprd",
            )


def subscription(state: State) -> Iterator[Finding]:
    """The subscription the sidecar holds."""
    held = [f"{one['pubsubname']}/{one['topic']}" for one in state.metadata.get("subscriptions", [])]
    if state.metadata and f"{contract.PUBSUB}/{contract.TOPIC}" not in held:
        yield Finding(
            f"the sidecar is subscribed to {', '.join(held) or 'nothing'}, not to {contract.TOPIC}",
            f"kubectl -n {state.system.namespace} logs deploy/{state.system.agent.name} -c daprd",
        )


def backend_checks(state: State) -> Iterator[Finding]:
    """What /ready says of the backends themselves."""
    yield from _named(state, {"database", "pubsub"})


def other_checks(state: State) -> Iterator[Finding]:
    """What /ready says of everything else."""
    yield from _named(state, (contract.CHECKS | {"events"}) - {"database", "pubsub"})


def _named(state: State, names: set[str]) -> Iterator[Finding]:
    agent = state.system.agent
    for name in sorted((names & state.checks.keys()) - state.forgiven):
        if state.checks[name].get("status") != "ok":
            yield Finding(
                f"/ready names {name}: {state.checks[name].get('error') or state.checks[name]}",
                f"kubectl -n {agent.namespace} logs deploy/{agent.name} -c {agent.container}",
            )


def diagnosed(system: System, agent: Api, sidecar: Api, entry: Entry) -> Finding | None:
    """The likely cause of a failure of an entry; what that entry itself breaks is never one."""
    state = State(system, agent, sidecar)
    if entry.fault:
        state.under_fault = frozenset(entry.target.split())
    return first_finding(state)


def first_finding(state: State) -> Finding | None:
    """The first rule that has something to say; a rule that cannot look says nothing."""
    for rule in RULES:
        try:
            if finding := next(rule(state), None):
                return finding
        except Exception as error:  # noqa: BLE001 -- a diagnosis must never replace the failure it explains
            if rule is RULES[0]:
                return Finding(f"the API server does not answer: {error}", "kubectl get --raw /readyz")
    return None


def control_plane(state: State) -> Iterator[Finding]:
    """Dapr's own workloads."""
    for one in state.cluster.workloads(state.system.names.dapr_namespace):
        if one.ready < one.desired or not one.desired:
            yield Finding(
                f"Dapr's {one.reference} has {one.ready}/{one.desired} replicas ready",
                f"kubectl -n {state.system.names.dapr_namespace} describe {one.reference}",
            )


def absent(state: State) -> Iterator[Finding]:
    """Services that are not deployed, or whose pods are refused."""
    for name in state.names:
        if name not in state.apps:
            yield Finding(f"Deployment {name} does not exist", f"kubectl -n {state.system.namespace} get deployments")
        elif not state.cluster.pods(state.system.namespace, state.apps[name].selector):
            try:
                require_admission(state.cluster, state.apps[name])
                cause = f"Deployment {name} has no pod ({state.apps[name].desired} wanted)"
            except (HopelessError, NotYetError) as error:
                cause = str(error)
            yield Finding(cause, f"kubectl -n {state.system.namespace} get events")


def without_sidecar(state: State) -> Iterator[Finding]:
    """Pods that Dapr's injector left alone."""
    for pod in state.pods:
        if "daprd" not in pod.containers:
            enabled = pod.annotations.get("dapr.io/enabled")
            yield Finding(
                f"sidecar not injected into {pod.name}: dapr.io/enabled is {enabled!r}",
                f"kubectl -n {pod.namespace} get pod {pod.name} -o yaml",
            )


def backends(state: State) -> Iterator[Finding]:
    """Kafka and PostgreSQL, where they are ours."""
    for target in state.unbroken_backends:
        for one in state.cluster.workloads(target.namespace):
            if one.name == target.name and (one.ready < one.desired or not one.desired):
                yield Finding(
                    f"{target.name} is away: {one.ready}/{one.desired} replicas ready",
                    f"kubectl -n {target.namespace} describe {one.reference}",
                )


def stuck(state: State) -> Iterator[Finding]:
    """Pods that cannot start, with the reason the kubelet gives."""
    for pod in state.pods:
        try:
            require_hope(state.cluster, pod)
        except (HopelessError, NotYetError) as error:
            yield Finding(str(error), f"kubectl -n {pod.namespace} describe pod {pod.name}")


def unready(state: State) -> Iterator[Finding]:
    """Pods that are not ready."""
    for pod in state.pods:
        if missing := missing_in(pod):
            yield Finding(missing, f"kubectl -n {pod.namespace} describe pod {pod.name}")


def storage(state: State) -> Iterator[Finding]:
    """Backends whose data dies with their pod."""
    for target in state.backends:
        claims = state.cluster.kubectl.run(
            "-n", target.namespace, "get", "statefulset", target.name, "-o", "jsonpath={.spec.volumeClaimTemplates}"
        )
        if not claims.strip("[] \n"):
            yield Finding(
                f"{target.name} keeps its data on no PersistentVolumeClaim",
                f"kubectl -n {target.namespace} get statefulset {target.name} -o yaml",
            )


RULES: tuple[Callable[[State], Iterator[Finding]], ...] = (
    control_plane,
    absent,
    without_sidecar,
    backends,
    components,
    stuck,
    backend_checks,
    loading,
    subscription,
    other_checks,
    unready,
    storage,
)
