"""Pods and workloads in the suite's own words, made from the API's."""

from dataclasses import dataclass

from kubernetes import client


@dataclass(frozen=True)
class Container:
    """One container of a pod as kubelet reports it; `id` has no runtime prefix."""

    name: str
    image: str
    id: str = ""
    ready: bool = False
    restarts: int = 0
    waiting: str = ""
    message: str = ""
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pod:
    """One pod; `blocked` says why it cannot be scheduled."""

    namespace: str
    name: str
    uid: str
    node: str
    ip: str
    ready: bool
    leaving: bool
    blocked: str
    annotations: dict[str, str]
    containers: dict[str, Container]

    @property
    def host(self) -> str:
        """Its address as it stands in a URL."""
        return host(self.ip)


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet: what is wanted of it and how far it is."""

    kind: str
    namespace: str
    name: str
    labels: dict[str, str]
    selector: str
    image: str
    containers: tuple[str, ...]
    pod_labels: dict[str, str]
    desired: int
    ready: int
    updated: int
    current: bool

    @property
    def reference(self) -> str:
        """How kubectl calls it."""
        return f"{self.kind.lower()}/{self.name}"

    @property
    def version(self) -> str:
        """Its image's tag, also beside a digest; of one with a digest alone what its label says."""
        tag = self.image.partition("@")[0].rpartition("/")[2].partition(":")[2]
        return tag or self.labels.get("app.kubernetes.io/version", "")


@dataclass(frozen=True)
class Target:
    """What a fault hits: a workload, and the container in one of its pods, or in every one."""

    namespace: str
    name: str
    container: str
    every: bool = False

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name} ({self.container}{', every pod' if self.every else ''})"


def host(address: str) -> str:
    """An address as it stands in a URL: one of IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def is_over(raw: client.V1Pod) -> bool:
    """Whether a pod has ended for good and is kept for its logs alone: evicted, or completed."""
    return raw.status is not None and raw.status.phase in {"Succeeded", "Failed"}


def meta(raw: client.V1Pod | client.V1Deployment | client.V1StatefulSet) -> client.V1ObjectMeta:
    """An object's metadata."""
    return raw.metadata or client.V1ObjectMeta()


def pod(raw: client.V1Pod) -> Pod:
    """A pod in the suite's words."""
    about, spec, status = meta(raw), raw.spec, raw.status or client.V1PodStatus()
    conditions = {condition.type: condition for condition in status.conditions or []}
    scheduled = conditions.get("PodScheduled")
    statuses = {one.name: one for one in status.container_statuses or []}
    declared = spec.containers if spec else []
    return Pod(
        namespace=about.namespace or "",
        name=about.name or "",
        uid=about.uid or "",
        node=(spec.node_name if spec else None) or "",
        ip=status.pod_ip or "",
        ready=(ready := conditions.get("Ready")) is not None and ready.status == "True",
        leaving=about.deletion_timestamp is not None,
        blocked=(scheduled.message or "") if scheduled and scheduled.status == "False" else "",
        annotations=about.annotations or {},
        containers={one.name: _container(one, statuses.get(one.name)) for one in declared},
    )


def _container(declared: client.V1Container, status: client.V1ContainerStatus | None) -> Container:
    if status is None:
        return Container(name=declared.name, image=declared.image or "", arguments=tuple(declared.args or ()))
    waiting = status.state.waiting if status.state else None
    return Container(
        name=declared.name,
        image=declared.image or "",
        arguments=tuple(declared.args or ()),
        id=(status.container_id or "").rpartition("//")[2],
        ready=status.ready,
        restarts=status.restart_count,
        waiting=(waiting.reason or "") if waiting else "",
        message=(waiting.message or "") if waiting else "",
    )


def workload(kind: str, raw: client.V1Deployment | client.V1StatefulSet) -> Workload:
    """A Deployment or StatefulSet in the suite's words. Raises ValueError for one without a spec."""
    about, spec, status = meta(raw), raw.spec, raw.status
    if spec is None:
        raise ValueError(f"{kind} {about.name} has no spec")
    labels = spec.selector.match_labels or {}
    containers = spec.template.spec.containers if spec.template.spec else []
    return Workload(
        kind=kind,
        namespace=about.namespace or "",
        name=about.name or "",
        labels=about.labels or {},
        selector=",".join(f"{key}={value}" for key, value in labels.items()),
        image=containers[0].image or "" if containers else "",
        containers=tuple(one.name for one in containers),
        pod_labels=(spec.template.metadata.labels or {}) if spec.template.metadata else {},
        desired=1 if spec.replicas is None else spec.replicas,
        ready=(status.ready_replicas or 0) if status else 0,
        updated=(status.updated_replicas or 0) if status else 0,
        current=status is not None and (status.observed_generation or 0) >= (about.generation or 0),
    )
