"""A system broken for the length of a control, and put back as it was."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from acceptance.agent import names
from acceptance.controls.catalogue import Control
from acceptance.harness.errors import KubectlError
from acceptance.harness.faults.journal import Journal, Undo
from acceptance.harness.kube.kubectl import Kubectl

PROGRAM = Path(__file__).with_name("sabotage")
CONFIG_MAP = "acceptance-sabotage"
NAMES = names.load()
AGENT = (NAMES.namespace, f"deployment/{NAMES.agent.deployment}")
WORKLOADS = (
    ("kafka", "statefulset/kafka"),
    ("postgres", "statefulset/postgres-postgresql"),
    AGENT,
    (NAMES.namespace, f"deployment/{NAMES.caller.deployment}"),
)
# What the API server adds and would refuse, or keep for itself.
SERVER_SIDE = ("resourceVersion", "uid", "creationTimestamp", "generation", "managedFields")
BROKEN_S = 45


@contextmanager
def broken(kubectl: Kubectl, journal: Journal, control: Control) -> Iterator[None]:
    """The system with a control's sabotage; on leaving, every object it touched is as it was and rolled out."""
    touched = {*control.touches, *([AGENT] if control.wraps else [])}
    before = {target: _read(kubectl, *target) for target in sorted(touched)}
    try:
        # What is promised first is undone last.
        journal.promise("roll out")
        for (namespace, target), saved in before.items():
            journal.promise("put back", namespace=namespace, target=target, saved=saved)
        if control.wraps:
            _wrap(kubectl, control.wraps)
        if control.empties:
            _empty(kubectl, *control.empties)
        for arguments in control.breaks:
            kubectl.run(*arguments, timeout_s=60)
        # Some broken systems never become ready: then this is as far as they get.
        for namespace, workload in WORKLOADS:
            with suppress(KubectlError):
                _rolled_out(kubectl, namespace, workload, BROKEN_S)
        yield
    finally:
        journal.undo_all()


def undo_table(kubectl: Kubectl) -> dict[str, Undo]:
    """How what a control breaks is undone; every step may be repeated."""
    return {"put back": partial(_put_back, kubectl), "roll out": partial(_roll_out, kubectl)}


def _wrap(kubectl: Kubectl, name: str) -> None:
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": NAMES.namespace},
        "data": {file.name: file.read_text() for file in PROGRAM.glob("*.py")},
    }
    kubectl.run("apply", "-f", "-", stdin=json.dumps(config_map))
    container = {
        "name": NAMES.agent.container,
        "command": ["python", "-m", PROGRAM.name],
        "args": ["agent"],
        "env": [{"name": "SABOTAGE", "value": name}, {"name": "PYTHONPATH", "value": "/sabotage:/app"}],
        "volumeMounts": [{"name": "sabotage", "mountPath": f"/sabotage/{PROGRAM.name}"}],
    }
    volume = {"name": "sabotage", "configMap": {"name": CONFIG_MAP}}
    # No pod of the real application may go on beside the tampered one.
    strategy = {"type": "Recreate", "rollingUpdate": None}
    patch = {"spec": {"strategy": strategy, "template": {"spec": {"containers": [container], "volumes": [volume]}}}}
    kubectl.run("-n", AGENT[0], "patch", AGENT[1], "--type=strategic", "--patch", json.dumps(patch))


def _empty(kubectl: Kubectl, namespace: str, name: str) -> None:
    """Put a StatefulSet's data on an emptyDir; its claims stay, and are there again when it is put back."""
    changed = _read(kubectl, namespace, f"statefulset/{name}")
    pod = changed["spec"]["template"]["spec"]
    claims = changed["spec"].pop("volumeClaimTemplates")
    pod["volumes"] = [*pod.get("volumes", []), *({"name": one["metadata"]["name"], "emptyDir": {}} for one in claims)]
    kubectl.run("replace", "--force", "-f", "-", stdin=json.dumps(changed), timeout_s=90)
    _rolled_out(kubectl, namespace, f"statefulset/{name}", 60)


def _read(kubectl: Kubectl, namespace: str, target: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kubectl.run("-n", namespace, "get", target, "-o", "json"))
    metadata = {key: value for key, value in found["metadata"].items() if key not in SERVER_SIDE}
    return {key: value for key, value in {**found, "metadata": metadata}.items() if key != "status"}


def _put_back(kubectl: Kubectl, namespace: str, target: str, saved: dict[str, Any]) -> None:
    text = json.dumps(saved)
    if not kubectl.run("-n", namespace, "get", target, "--ignore-not-found", "-o", "name"):
        kubectl.run("create", "-f", "-", stdin=text)
        return
    try:
        kubectl.run("replace", "-f", "-", stdin=text)
    except KubectlError:
        # A field that may not change, as a StatefulSet's claims: the object is made anew.
        kubectl.run("replace", "--force", "-f", "-", stdin=text, timeout_s=90)


def _roll_out(kubectl: Kubectl) -> None:
    kubectl.run("-n", NAMES.namespace, "delete", "configmap", CONFIG_MAP, "--ignore-not-found")
    kubectl.run("-n", NAMES.namespace, "rollout", "restart", AGENT[1])
    for namespace, workload in WORKLOADS:
        _rolled_out(kubectl, namespace, workload, 180)


def _rolled_out(kubectl: Kubectl, namespace: str, workload: str, within_s: int) -> None:
    kubectl.run("-n", namespace, "rollout", "status", workload, f"--timeout={within_s}s", timeout_s=within_s + 5)
