"""What is kept of the cluster when a run failed."""

from collections.abc import Callable
from pathlib import Path

from acceptance.harness import system
from acceptance.harness.kubectl import Kubectl, KubectlError

NAMESPACES = (system.NAMESPACE, system.KAFKA.namespace, system.POSTGRES.namespace)
SHOWN = "deployments,statefulsets,services,endpointslices,pods,persistentvolumeclaims,events"
DAPR = "components.dapr.io,resiliencies.dapr.io,subscriptions.dapr.io,configurations.dapr.io"
# Secrets are on none of these lists.
COMMANDS = {
    "versions.txt": ("version",),
    "nodes.txt": ("describe", "nodes"),
    **{f"{name}/describe.txt": ("-n", name, "describe", "deployments,statefulsets,pods") for name in NAMESPACES},
    **{f"{name}/manifests.yaml": ("-n", name, "get", SHOWN, "-o", "yaml") for name in NAMESPACES},
    **{f"{name}/events.txt": ("-n", name, "get", "events", "--sort-by=.lastTimestamp") for name in NAMESPACES},
    "dapr/resources.yaml": ("-n", system.NAMESPACE, "get", DAPR, "-o", "yaml"),
    "dapr/control-plane.txt": ("-n", system.DAPR_NAMESPACE, "get", "pods", "-o", "wide"),
}


def collect(kubectl: Kubectl, folder: Path, mask: Callable[[str], str]) -> None:
    """Write down what the cluster says; a question it does not answer leaves the reason in its file."""
    for name, arguments in COMMANDS.items():
        try:
            text = kubectl.run(*arguments, timeout_s=15)
        except KubectlError as error:
            text = f"{error}\n"
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(mask(text))
