"""Pod Security `restricted`, as the namespaces enforce it, and a little more."""

from .rendering import Overlay, annotations, containers, of_kind, title, with_pods

ENFORCED = {
    "pod-security.kubernetes.io/enforce": "restricted",
    "pod-security.kubernetes.io/enforce-version": "v1.34",
}
CONTAINER = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
HOST = {"hostNetwork", "hostPID", "hostIPC"}


def test_every_namespace_enforces_restricted(overlay: Overlay) -> None:
    for namespace in of_kind(overlay.objects, "Namespace"):
        assert ENFORCED.items() <= namespace["metadata"]["labels"].items(), title(namespace)


def test_every_pod_would_be_admitted(overlay: Overlay) -> None:
    for workload in with_pods(overlay.objects):
        pod = workload["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True, title(workload)
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, title(workload)
        assert not HOST & pod.keys(), title(workload)
        assert {kind for volume in pod.get("volumes", []) for kind in volume.keys() - {"name"}} <= VOLUMES
        for container in containers(workload):
            own = container["securityContext"]
            assert CONTAINER.items() <= own.items(), f"{title(workload)}, {container['name']}: {own}"
            assert own.get("runAsUser", pod["securityContext"].get("runAsUser", 0)) > 0, title(workload)
            assert not any("hostPort" in port for port in container.get("ports", [])), title(workload)


def test_every_sidecar_would_be_admitted(overlay: Overlay) -> None:
    injected = [workload for workload in with_pods(overlay.objects) if annotations(workload)]
    assert len(injected) == 2
    for workload in injected:
        assert annotations(workload)["dapr.io/sidecar-seccomp-profile-type"] == "RuntimeDefault", title(workload)


def test_no_pod_gets_a_token_for_kubernetes(overlay: Overlay) -> None:
    for workload in with_pods(overlay.objects):
        pod = workload["spec"]["template"]["spec"]
        assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False), title(workload)
        if annotations(workload):
            # the sidecar's own store would ask for that token and end the sidecar at start
            assert annotations(workload)["dapr.io/disable-builtin-k8s-secret-store"] == "true", title(workload)
