"""What is kept of the cluster when a run failed."""

from collections.abc import Callable, Iterable
from pathlib import Path

from acceptance.harness.errors import KubectlError
from acceptance.harness.kube.kubectl import Kubectl

SHOWN = "deployments,statefulsets,services,endpointslices,pods,persistentvolumeclaims,events"
Commands = dict[str, tuple[str, ...]]


def commands(namespaces: Iterable[str]) -> Commands:
    """What kubectl is asked, by the file that keeps it; Secrets are on none of these lists."""
    found: Commands = {"versions.txt": ("version",), "nodes.txt": ("describe", "nodes")}
    for name in namespaces:
        found |= {
            f"{name}/describe.txt": ("-n", name, "describe", "deployments,statefulsets,pods"),
            f"{name}/manifests.yaml": ("-n", name, "get", SHOWN, "-o", "yaml"),
            f"{name}/events.txt": ("-n", name, "get", "events", "--sort-by=.lastTimestamp"),
        }
    return found


def collect(kubectl: Kubectl, wanted: Commands, folder: Path, mask: Callable[[str], str]) -> None:
    """Write down what the cluster says; a question it does not answer leaves the reason in its file."""
    for name, arguments in wanted.items():
        try:
            text = kubectl.run(*arguments, timeout_s=15)
        except KubectlError as error:
            text = f"{error}\n"
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(mask(text))
