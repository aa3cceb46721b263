"""What is kept of the cluster when a run failed."""

from collections.abc import Callable
from pathlib import Path

from acceptance.harness.kubectl import KubectlError
from acceptance.harness.system import System

SHOWN = "deployments,statefulsets,services,endpointslices,pods,persistentvolumeclaims,events"
DAPR = "components.dapr.io,resiliencies.dapr.io,subscriptions.dapr.io,configurations.dapr.io"


def commands(system: System) -> dict[str, tuple[str, ...]]:
    """What kubectl is asked, by the file that keeps it; Secrets are on none of these lists."""
    namespaces = system.namespaces
    return {
        "versions.txt": ("version",),
        "nodes.txt": ("describe", "nodes"),
        **{f"{name}/describe.txt": ("-n", name, "describe", "deployments,statefulsets,pods") for name in namespaces},
        **{f"{name}/manifests.yaml": ("-n", name, "get", SHOWN, "-o", "yaml") for name in namespaces},
        **{f"{name}/events.txt": ("-n", name, "get", "events", "--sort-by=.lastTimestamp") for name in namespaces},
        "dapr/resources.yaml": ("-n", system.namespace, "get", DAPR, "-o", "yaml"),
        "dapr/control-plane.txt": ("-n", system.names.dapr_namespace, "get", "pods", "-o", "wide"),
    }


def collect(system: System, folder: Path, mask: Callable[[str], str]) -> None:
    """Write down what the cluster says; a question it does not answer leaves the reason in its file."""
    for name, arguments in commands(system).items():
        try:
            text = system.cluster.kubectl.run(*arguments, timeout_s=15)
        except KubectlError as error:
            text = f"{error}\n"
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(mask(text))
