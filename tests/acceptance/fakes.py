"""A cluster made of data."""

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from acceptance.agent import names
from acceptance.agent.system import System
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Container, Pod, Workload
from acceptance.harness.waiting import Waiting

POD = Pod(
    namespace="fastapi-app",
    name="fastapi-dapr-agent-1",
    uid="1",
    node="node",
    ip="10.0.0.1",
    ready=True,
    leaving=False,
    blocked="",
    annotations={"dapr.io/enabled": "true"},
    containers={name: Container(name, f"{name}:1", id="abc", ready=True) for name in ("fastapi", "daprd")},
)
AGENT = Workload(
    kind="Deployment",
    namespace="fastapi-app",
    name="fastapi-dapr-agent",
    labels={"app.kubernetes.io/part-of": "fastapi-dapr-agent"},
    selector="app=fastapi-dapr-agent",
    image="fastapi-dapr-agent:latest",
    containers=("fastapi",),
    pod_labels={"app": "fastapi-dapr-agent"},
    desired=1,
    ready=1,
    updated=1,
    current=True,
)
CALLER = replace(AGENT, name="fastapi-dapr-caller", selector="app=fastapi-dapr-caller")
OPERATOR = replace(AGENT, namespace="dapr-system", name="dapr-operator", labels={})
KAFKA = replace(
    AGENT,
    kind="StatefulSet",
    namespace="kafka",
    name="kafka",
    selector="app=kafka",
    containers=("kafka",),
    pod_labels={"app": "kafka"},
)
POSTGRES = replace(
    KAFKA,
    namespace="postgres",
    name="postgres-postgresql",
    selector="app=postgres-postgresql",
    containers=("postgresql",),
    pod_labels={"app": "postgres-postgresql"},
)
METADATA = {
    "kafka-pubsub": [{"name": "brokers", "value": "kafka.kafka.svc.cluster.local:9092"}],
    "postgres-statestore": [
        {"name": "host", "value": "postgres-postgresql.postgres.svc.cluster.local"},
        {"name": "password", "secretKeyRef": {"name": "postgres-credentials", "key": "password"}},
    ],
}
COMPONENTS = {
    name: {"scopes": ["fastapi-dapr-agent"], "spec": {"metadata": metadata}} for name, metadata in METADATA.items()
}


@dataclass
class Data:
    """What the cluster holds; the defaults are a healthy system."""

    all_workloads: list[Workload] = field(default_factory=lambda: [AGENT, CALLER, OPERATOR, KAFKA, POSTGRES])
    all_pods: dict[str, list[Pod]] = field(default_factory=lambda: {AGENT.selector: [POD], CALLER.selector: [POD]})
    components: dict[str, dict[str, Any]] = field(default_factory=lambda: dict(COMPONENTS))
    events: list[Any] = field(default_factory=list)
    secrets: dict[str, dict[str, str]] = field(default_factory=lambda: {"postgres-credentials": {"password": "secret"}})

    @property
    def core(self) -> SimpleNamespace:
        """Events of the namespace."""
        return SimpleNamespace(
            list_namespaced_event=lambda *_, _request_timeout, **__: SimpleNamespace(items=self.events)
        )

    @property
    def kubectl(self) -> SimpleNamespace:
        """A kubectl that always says the same."""
        return SimpleNamespace(run=lambda *_, **__: "the last line")

    def workloads(self, namespace: str) -> list[Workload]:
        """Workloads of a namespace."""
        return [one for one in self.all_workloads if one.namespace == namespace]

    def pods(self, _namespace: str, selector: str = "") -> list[Pod]:
        """Pods of a selector."""
        return self.all_pods.get(selector, [])

    def selector(self, _namespace: str, service: str) -> dict[str, str]:
        """What a Service selects: each is called as its pods are."""
        return {"app": service} if any(one.pod_labels == {"app": service} for one in self.all_workloads) else {}

    def secret(self, _namespace: str, name: str, key: str) -> str:
        """A value of a Secret."""
        return self.secrets[name][key]

    def dapr_resources(self, _namespace: str, _plural: str) -> dict[str, dict[str, Any]]:
        """Components."""
        return self.components

    def as_cluster(self) -> Cluster:
        """The data in a Cluster's place."""
        return cast("Cluster", self)

    def as_system(self) -> System:
        """The system under its usual names on this cluster."""
        return System(self.as_cluster(), Waiting(), names.load())


def pod_with(container: str, waiting: str = "", message: str = "", restarts: int = 0) -> Pod:
    """The healthy pod, one of its containers changed and not ready."""
    changed = replace(POD.containers[container], ready=False, waiting=waiting, message=message, restarts=restarts)
    return replace(POD, ready=False, containers={**POD.containers, container: changed})
