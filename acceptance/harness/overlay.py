"""An overlay applied for the length of a run."""

import json
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acceptance.harness import system
from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError
from acceptance.harness.kubectl import Kubectl, KubectlError
from acceptance.harness.options import OVERLAYS

APPLIED_S = 120
ROLLED_OUT_S = 300
REMOVED_S = 180
Identity = tuple[str, str, str]


@contextmanager
def applied(kubectl: Kubectl, name: str, keep: Callable[[], bool]) -> Iterator[None]:
    """Apply overlays/NAME and wait; at the end remove what this created, unless `keep` says otherwise.

    Objects and namespaces that were there before stay. Raises EnvironmentNotReadyError for one that the cluster
    refuses, UndoIncompleteError naming what was not removed.
    """
    folder = OVERLAYS / name
    with _required(name):
        before = _existing(kubectl, folder).keys()
    try:
        with _required(name):
            kubectl.run("apply", "-k", str(folder), timeout_s=APPLIED_S)
        for app in (system.AGENT, system.CALLER):
            _wait(kubectl, f"deployment/{app}")
        yield
    finally:
        if not keep():
            _remove_new(kubectl, folder, before)


@contextmanager
def _required(name: str) -> Iterator[None]:
    try:
        yield
    except KubectlError as error:
        raise EnvironmentNotReadyError(f"overlay {name} cannot be applied: {error}") from error


def _remove_new(kubectl: Kubectl, folder: Path, before: Collection[Identity]) -> None:
    left = f"what overlay {folder.name} created"
    try:
        new = {identity: one for identity, one in _existing(kubectl, folder).items() if identity not in before}
        left = ", ".join(" ".join(identity) for identity in new)
        if new:
            objects = {"apiVersion": "v1", "kind": "List", "items": list(new.values())}
            kubectl.run("delete", "--ignore-not-found", "-f", "-", stdin=json.dumps(objects), timeout_s=REMOVED_S)
    except KubectlError as error:
        raise UndoIncompleteError(f"not all of this was removed: {left}: {error}") from error


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
