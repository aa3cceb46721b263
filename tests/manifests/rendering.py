"""What kubectl makes of a kustomization, and the parts of it that the checks look at."""

import subprocess
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
OVERLAYS = sorted(path.parent for path in ROOT.glob("overlays/*/kustomization.yaml"))
VERSIONS: dict[str, str] = tomllib.loads((ROOT / "images/images.toml").read_text())["versions"]
DAPR = "dapr.io/v1alpha1"
DEVELOPMENT = {"kind", "minikube"}

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Overlay:
    """One rendered overlay: its objects in the order in which kubectl applies them."""

    path: Path
    objects: list[Manifest]

    @property
    def name(self) -> str:
        """The name that users give to `kubectl apply -k overlays/NAME`."""
        return self.path.name


def render(kustomization: Path) -> list[Manifest]:
    """Answer the objects of a kustomization; an error or a warning of kubectl fails the test."""
    command = ["kubectl", "kustomize", str(kustomization)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in run.stderr.splitlines() if "sortOptions" not in line]
    assert run.returncode == 0, f"{' '.join(command)} failed: {run.stderr}"
    assert not complaints, f"{' '.join(command)} warns: {complaints}"
    return [manifest for manifest in yaml.safe_load_all(run.stdout) if manifest]


def of_kind(objects: Iterable[Manifest], *kinds: str) -> list[Manifest]:
    """Answer the objects of these kinds, in order."""
    return [manifest for manifest in objects if manifest["kind"] in kinds]


def named(objects: Iterable[Manifest], kind: str, name: str) -> Manifest:
    """Answer the one object of this kind and name."""
    found = [manifest for manifest in of_kind(objects, kind) if manifest["metadata"]["name"] == name]
    assert len(found) == 1, f"expected one {kind} {name}, found {len(found)}"
    return found[0]


def title(manifest: Manifest) -> str:
    """Answer how failure messages call an object."""
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def with_pods(objects: Iterable[Manifest]) -> list[Manifest]:
    """Answer the objects that make pods."""
    return [manifest for manifest in objects if "template" in manifest.get("spec", {})]


def containers(workload: Manifest) -> list[Manifest]:
    """Answer all containers of a workload's pods, init containers included."""
    spec = workload["spec"]["template"]["spec"]
    return [*spec.get("initContainers", []), *spec["containers"]]


def annotations(workload: Manifest) -> dict[str, str]:
    """Answer the annotations of a workload's pods."""
    found: dict[str, str] = workload["spec"]["template"]["metadata"].get("annotations", {})
    return found


def environment(container: Manifest) -> dict[str, Any]:
    """Answer a container's variables: a text, or the reference that it comes from."""
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container.get("env", [])}


def component_metadata(component: Manifest) -> dict[str, Any]:
    """Answer a Dapr Component's settings: a text, or the reference that it comes from."""
    return {entry["name"]: entry.get("value", entry.get("secretKeyRef")) for entry in component["spec"]["metadata"]}


def secret_references(manifest: Manifest) -> Iterator[tuple[str, str, str]]:
    """Yield namespace, Secret and key of every secretKeyRef in an object that must be there."""
    pending: list[Any] = [manifest]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            if "secretKeyRef" in node and not node["secretKeyRef"].get("optional"):
                yield (manifest["metadata"]["namespace"], node["secretKeyRef"]["name"], node["secretKeyRef"]["key"])
            pending.extend(node.values())
        elif isinstance(node, list):
            pending.extend(node)
