"""An overlay applied for the length of a run."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acceptance.harness import system
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kubectl import Kubectl, KubectlError

OVERLAYS = Path(__file__).parents[2] / "overlays"
ROLLED_OUT_S = 300
REMOVED_S = 180
Identity = tuple[str, str, str]


@contextmanager
def applied(kubectl: Kubectl, name: str, keep: Callable[[], bool]) -> Iterator[None]:
    """Apply overlays/NAME and wait; at the end remove what this created, unless `keep` says otherwise.

    Objects and namespaces that were there before stay. Raises EnvironmentNotReadyError for an unknown overlay or one
    that the cluster refuses.
    """
    folder = OVERLAYS / name
    if not (folder / "kustomization.yaml").is_file():
        known = ", ".join(sorted(one.parent.name for one in OVERLAYS.glob("*/kustomization.yaml")))
        raise EnvironmentNotReadyError(f"there is no overlay {name!r}: {known}")
    before = _existing(kubectl, folder)
    try:
        kubectl.run("apply", "-k", str(folder), timeout_s=120)
    except KubectlError as error:
        raise EnvironmentNotReadyError(f"overlay {name} cannot be applied: {error}") from error
    try:
        for app in (system.AGENT, system.CALLER):
            _wait(kubectl, f"deployment/{app}")
        yield
    finally:
        new = {identity: one for identity, one in _existing(kubectl, folder).items() if identity not in before}
        if new and not keep():
            objects = {"apiVersion": "v1", "kind": "List", "items": list(new.values())}
            kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=json.dumps(objects), timeout_s=REMOVED_S)


def _wait(kubectl: Kubectl, workload: str) -> None:
    """Wait for a rollout; one that does not come to an end is for the criteria to tell."""
    arguments = ("-n", system.NAMESPACE, "rollout", "status", workload, f"--timeout={ROLLED_OUT_S}s")
    try:
        kubectl.run(*arguments, timeout_s=ROLLED_OUT_S + 10)
    except KubectlError as error:
        if "timed out" not in str(error):
            raise EnvironmentNotReadyError(str(error)) from error


def _existing(kubectl: Kubectl, folder: Path) -> dict[Identity, dict[str, Any]]:
    """The overlay's objects that are in the cluster, by kind, namespace and name."""
    text = kubectl.run("get", "-k", str(folder), "--ignore-not-found", "-o", "json", timeout_s=60)
    found = json.loads(text) if text.strip() else {}
    items = found.get("items", [found] if found else [])
    return {
        (one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): {
            "apiVersion": one["apiVersion"],
            "kind": one["kind"],
            "metadata": {key: one["metadata"][key] for key in ("name", "namespace") if key in one["metadata"]},
        }
        for one in items
    }
