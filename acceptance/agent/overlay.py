"""An overlay applied for the length of a run."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from acceptance.agent.names import Names
from acceptance.agent.options import OVERLAYS
from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.kubectl import Kubectl

# What `make up` calls its context, on kind and on minikube.
MAKE_UP_CONTEXTS = {"kind-fastapi-dapr-agent": "kind", "fastapi-dapr-agent": "minikube"}
"""And the overlay that it deploys there."""
HINT = "`make up` makes one, --context NAME takes another"
LEAVING = "jsonpath={.items[?(@.metadata.deletionTimestamp)].metadata.name}"
APPLIED_S = 120
REMOVED_S = 180
ROLLED_OUT_S = 300
Identity = tuple[str, str, str]


def deployed(context: str, named: str | None) -> str:
    """The overlay that is deployed: what was named, or of the cluster of `make up` its own.

    Raises EnvironmentNotReadyError when nobody knows.
    """
    name = named or MAKE_UP_CONTEXTS.get(context)
    if not name:
        raise EnvironmentNotReadyError("nobody said which overlay is deployed here: --overlay NAME does")
    return name


@contextmanager
def applied(kubectl: Kubectl, journal: Journal, name: str, names: Names, keep: Callable[[], bool]) -> Iterator[None]:
    """Apply overlays/NAME and wait; at the end remove what this created, unless `keep` says otherwise.

    Objects and namespaces that were there before stay as they are: an overlay that would change one is refused. Raises
    EnvironmentNotReadyError for that, and for one that the cluster refuses; UndoIncompleteError naming what was not
    removed.
    """
    folder = OVERLAYS / name
    with _required(name):
        there = _existing(kubectl, folder)
        if changed := _changed(kubectl, folder, there):
            raise EnvironmentNotReadyError(
                f"overlay {name} would change what is there, and nobody could put it back: {', '.join(changed)}; "
                "remove that first, or run without --overlay to test it as it is"
            )
        new = [one for one in _rendered(kubectl, folder) if _identity(one) not in there]
    entry = journal.promise("remove", objects=new)
    try:
        with _required(name):
            kubectl.run("apply", "-k", str(folder), timeout_s=APPLIED_S)
        for app in (names.agent, names.caller):
            _wait(kubectl, names.namespace, f"deployment/{app.deployment}")
        yield
    finally:
        if keep():
            journal.strike(entry)
        else:
            journal.undo(entry)


def apply_again(cluster: Cluster, *, overlay: str) -> None:
    """Apply an overlay, once a namespace that is being deleted is gone."""
    kubectl = cluster.kubectl
    for namespace in kubectl.run("get", "namespaces", "-o", LEAVING).split():
        gone = ("wait", "--for=delete", f"namespace/{namespace}", f"--timeout={REMOVED_S}s")
        kubectl.run(*gone, timeout_s=REMOVED_S + 5)
    kubectl.run("apply", "-k", str(OVERLAYS / overlay), timeout_s=REMOVED_S)


@contextmanager
def _required(name: str) -> Iterator[None]:
    try:
        yield
    except KubectlError as error:
        raise EnvironmentNotReadyError(f"overlay {name} cannot be applied: {error}") from error


def _wait(kubectl: Kubectl, namespace: str, workload: str) -> None:
    """Wait for a rollout; one that does not come to an end is for the criteria to tell."""
    arguments = ("-n", namespace, "rollout", "status", workload, f"--timeout={ROLLED_OUT_S}s")
    try:
        kubectl.run(*arguments, timeout_s=ROLLED_OUT_S + 10)
    except KubectlError as error:
        if "timed out" not in str(error):
            raise EnvironmentNotReadyError(str(error)) from error


def _existing(kubectl: Kubectl, folder: Path) -> set[Identity]:
    """The overlay's objects that are in the cluster."""
    text = kubectl.run("get", "-k", str(folder), "--ignore-not-found", "-o", "json", timeout_s=60)
    found = json.loads(text) if text.strip() else {}
    return {_identity(one) for one in found.get("items", [found] if found else [])}


def _rendered(kubectl: Kubectl, folder: Path) -> list[dict[str, Any]]:
    """What names each of the overlay's objects, in the order in which they are applied."""
    rendered = yaml.safe_load_all(kubectl.run("kustomize", str(folder)))
    return [
        {
            "apiVersion": one["apiVersion"],
            "kind": one["kind"],
            "metadata": {key: one["metadata"][key] for key in ("name", "namespace") if key in one["metadata"]},
        }
        for one in rendered
    ]


def _changed(kubectl: Kubectl, folder: Path, there: set[Identity]) -> list[str]:
    """Which of the objects that are there the overlay would make something else."""
    told = kubectl.diff("-k", str(folder), timeout_s=60)
    # diff -u -N /tmp/LIVE-1/apps.v1.Deployment.namespace.name /tmp/MERGED-1/apps.v1.Deployment.namespace.name
    differing = [line.rpartition("/")[2] for line in told.splitlines() if line.startswith("diff ")]
    return [
        " ".join(filter(None, one))
        for one in sorted(there)
        if any(file.endswith("." + ".".join(one)) for file in differing)
    ]


def _identity(manifest: dict[str, Any]) -> Identity:
    return manifest["kind"], manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]
