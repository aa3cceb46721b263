"""The cluster as the suite reads it: pods, workloads, endpoints and Dapr's resources, in the suite's own words."""

import base64
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from kubernetes import client, config

from acceptance.harness.kube import objects
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.kube.objects import Pod, Workload


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
        """Pods of a namespace that are not over, as evicted and completed ones are, oldest first."""
        raw = self.core.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=10).items
        there = [pod for pod in raw if not objects.is_over(pod)]
        return [objects.pod(pod) for pod in sorted(there, key=lambda pod: str(objects.meta(pod).creation_timestamp))]

    def workloads(self, namespace: str) -> list[Workload]:
        """Deployments and StatefulSets of a namespace."""
        deployments = self.apps.list_namespaced_deployment(namespace, _request_timeout=10).items
        stateful_sets = self.apps.list_namespaced_stateful_set(namespace, _request_timeout=10).items
        return [objects.workload("Deployment", one) for one in deployments] + [
            objects.workload("StatefulSet", one) for one in stateful_sets
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

    def patch(self, namespace: str, reference: str, operations: list[dict[str, Any]]) -> None:
        """Change an object by operations of a JSON patch; `reference` is kind/name."""
        arguments = ("-n", namespace, "patch", reference, "--type=json", f"--patch={json.dumps(operations)}")
        self.kubectl.run(*arguments)

    def create(self, manifest: dict[str, Any]) -> None:
        """Create an object, or make it what it was."""
        about = {key: value for key, value in manifest["metadata"].items() if key in {"name", "namespace", "labels"}}
        self.kubectl.run("apply", "-f", "-", stdin=json.dumps({**manifest, "metadata": about}))

    def execute(self, namespace: str, pod: str, script: str, arguments: list[str]) -> None:
        """Run a shell script, with arguments, in a pod's first container. Raises KubectlError when it fails."""
        self.kubectl.run("-n", namespace, "exec", pod, "--", "sh", "-ec", script, "sh", *arguments)

    def annotate_pods(self, namespace: str, reference: str, name: str, value: str | None) -> None:
        """Give the pods of a workload an annotation, None to take it away; they are rolled out anew."""
        patch = {"spec": {"template": {"metadata": {"annotations": {name: value}}}}}
        self.kubectl.run("-n", namespace, "patch", reference, "--type=merge", f"--patch={json.dumps(patch)}")

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret; one that is gone already is fine."""
        self.kubectl.run("-n", namespace, "delete", "secret", name, "--ignore-not-found")

    def address(self, namespace: str, service: str) -> str:
        """A Service's cluster address, as it stands in a URL."""
        spec = self.core.read_namespaced_service(service, namespace, _request_timeout=10).spec
        return objects.host((spec.cluster_ip if spec else None) or "")

    def selector(self, namespace: str, service: str) -> dict[str, str]:
        """The labels of the pods that a Service leads to; empty where there is no such Service, or it selects none."""
        try:
            spec = self.core.read_namespaced_service(service, namespace, _request_timeout=10).spec
        except client.ApiException as error:
            if error.status != 404:
                raise
            return {}
        return (spec.selector if spec else None) or {}

    def delete_pod(self, namespace: str, name: str, grace_s: int | None = None) -> None:
        """Delete a pod; one that is gone already is fine."""
        try:
            self.core.delete_namespaced_pod(name, namespace, grace_period_seconds=grace_s, _request_timeout=10)
        except client.ApiException as error:
            if error.status != 404:
                raise
