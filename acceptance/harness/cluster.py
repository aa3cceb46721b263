"""The cluster as the suite reads it: pods, workloads, endpoints and Dapr's resources, in the suite's own words."""

import base64
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kubernetes import client, config

from acceptance.harness.kubectl import Kubectl


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


@dataclass(frozen=True)
class Workload:
    """A Deployment or StatefulSet: what is wanted of it and how far it is."""

    kind: str
    namespace: str
    name: str
    labels: dict[str, str]
    selector: str
    image: str
    desired: int
    ready: int
    updated: int
    current: bool

    @property
    def reference(self) -> str:
        """How kubectl calls it."""
        return f"{self.kind.lower()}/{self.name}"


@dataclass(frozen=True)
class Cluster:
    """One cluster, through the API and through kubectl on the same private kubeconfig."""

    kubectl: Kubectl

    @cached_property
    def _api(self) -> client.ApiClient:
        api: client.ApiClient = config.new_client_from_config(  # type: ignore[no-untyped-call]  # as shipped
            str(self.kubectl.kubeconfig), self.kubectl.context, persist_config=False
        )
        return api

    @cached_property
    def core(self) -> client.CoreV1Api:
        """Pods, Services, Secrets, Events."""
        return client.CoreV1Api(self._api)

    @cached_property
    def apps(self) -> client.AppsV1Api:
        """Deployments and StatefulSets."""
        return client.AppsV1Api(self._api)

    def pods(self, namespace: str, selector: str = "") -> list[Pod]:
        """Pods of a namespace, oldest first."""
        raw = self.core.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=10).items
        return [_pod(pod) for pod in sorted(raw, key=lambda pod: str(_meta(pod).creation_timestamp))]

    def workloads(self, namespace: str) -> list[Workload]:
        """Deployments and StatefulSets of a namespace."""
        deployments = self.apps.list_namespaced_deployment(namespace, _request_timeout=10).items
        stateful_sets = self.apps.list_namespaced_stateful_set(namespace, _request_timeout=10).items
        return [_workload("Deployment", one) for one in deployments] + [
            _workload("StatefulSet", one) for one in stateful_sets
        ]

    def ready_endpoints(self, namespace: str, service: str) -> list[str]:
        """Addresses that a Service sends traffic to."""
        slices = client.DiscoveryV1Api(self._api).list_namespaced_endpoint_slice(
            namespace, label_selector=f"kubernetes.io/service-name={service}", _request_timeout=10
        )
        endpoints = [endpoint for one in slices.items for endpoint in one.endpoints or []]
        return [address for one in endpoints if one.conditions and one.conditions.ready for address in one.addresses]

    def dapr_resources(self, namespace: str, plural: str, version: str = "v1alpha1") -> dict[str, dict[str, Any]]:
        """Dapr's Components, Subscriptions or Resiliencies of a namespace, by name."""
        found: Any = client.CustomObjectsApi(self._api).list_namespaced_custom_object(
            "dapr.io", version, namespace, plural, _request_timeout=10
        )
        return {item["metadata"]["name"]: item for item in found["items"]}

    def secret(self, namespace: str, name: str, key: str) -> str:
        """A value of a Secret; never to be printed. Raises KeyError when the Secret lacks the key."""
        data = self.core.read_namespaced_secret(name, namespace, _request_timeout=10).data or {}
        return base64.b64decode(data[key]).decode()

    def scale(self, namespace: str, name: str, replicas: int) -> None:
        """Set the replicas of a StatefulSet."""
        self.apps.patch_namespaced_stateful_set_scale(
            name, namespace, {"spec": {"replicas": replicas}}, _request_timeout=10
        )

    def delete_pod(self, namespace: str, name: str, grace_s: int | None = None) -> None:
        """Delete a pod; one that is gone already is fine."""
        try:
            self.core.delete_namespaced_pod(name, namespace, grace_period_seconds=grace_s, _request_timeout=10)
        except client.ApiException as error:
            if error.status != 404:
                raise


def _meta(raw: client.V1Pod | client.V1Deployment | client.V1StatefulSet) -> client.V1ObjectMeta:
    return raw.metadata or client.V1ObjectMeta()


def _pod(raw: client.V1Pod) -> Pod:
    meta, spec, status = _meta(raw), raw.spec, raw.status or client.V1PodStatus()
    conditions = {condition.type: condition for condition in status.conditions or []}
    scheduled = conditions.get("PodScheduled")
    statuses = {one.name: one for one in status.container_statuses or []}
    declared = spec.containers if spec else []
    return Pod(
        namespace=meta.namespace or "",
        name=meta.name or "",
        uid=meta.uid or "",
        node=(spec.node_name if spec else None) or "",
        ip=status.pod_ip or "",
        ready=(ready := conditions.get("Ready")) is not None and ready.status == "True",
        leaving=meta.deletion_timestamp is not None,
        blocked=(scheduled.message or "") if scheduled and scheduled.status == "False" else "",
        annotations=meta.annotations or {},
        containers={one.name: _container(one, statuses.get(one.name)) for one in declared},
    )


def _container(declared: client.V1Container, status: client.V1ContainerStatus | None) -> Container:
    if status is None:
        return Container(name=declared.name, image=declared.image or "")
    waiting = status.state.waiting if status.state else None
    return Container(
        name=declared.name,
        image=declared.image or "",
        id=(status.container_id or "").rpartition("//")[2],
        ready=status.ready,
        restarts=status.restart_count,
        waiting=(waiting.reason or "") if waiting else "",
        message=(waiting.message or "") if waiting else "",
    )


def _workload(kind: str, raw: client.V1Deployment | client.V1StatefulSet) -> Workload:
    meta, spec, status = _meta(raw), raw.spec, raw.status
    if spec is None:
        raise ValueError(f"{kind} {meta.name} has no spec")
    labels = spec.selector.match_labels or {}
    containers = spec.template.spec.containers if spec.template.spec else []
    return Workload(
        kind=kind,
        namespace=meta.namespace or "",
        name=meta.name or "",
        labels=meta.labels or {},
        selector=",".join(f"{key}={value}" for key, value in labels.items()),
        image=containers[0].image or "" if containers else "",
        desired=1 if spec.replicas is None else spec.replicas,
        ready=(status.ready_replicas or 0) if status else 0,
        updated=(status.updated_replicas or 0) if status else 0,
        current=status is not None and (status.observed_generation or 0) >= (meta.generation or 0),
    )
