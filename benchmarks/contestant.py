"""A contestant's pod: the agent's own, with its limits and its sidecar's, but for what runs in it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from acceptance.agent.system import System
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.objects import Pod
from acceptance.harness.kube.workload import missing_in, require_hope

SERVICES = Path(__file__).with_name("services")
NOTHING = "import time; time.sleep(10_800)"
APPLY_ONE = (SERVICES / "apply_one.sql").read_text()
READY_S = 60
NO_SIDECAR = MappingProxyType({"dapr.io/enabled": "false"})
INSTANCE = "app.kubernetes.io/instance"
# without a port of the app the sidecar delivers nothing: it has the publishes alone to do
NOT_DELIVERING = MappingProxyType({"dapr.io/app-port": None, "dapr.io/enable-app-health-check": None})


@dataclass(frozen=True)
class Contestant:
    """What runs in the agent's container, the agent without a program; what it and its sidecar are told otherwise."""

    program: str | None
    annotations: Mapping[str, str | None] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)


def service(name: str) -> str:
    """The program of a service."""
    return (SERVICES / f"{name}.py").read_text()


@contextmanager
def running(system: System, journal: Journal, run: str, contestant: Contestant) -> Iterator[Pod]:
    """Its pod, ready."""
    name = f"benchmark-{run}"
    read = system.cluster.kubectl.run("-n", system.namespace, "get", f"deployment/{system.agent.name}", "-o", "json")
    made = _manifest(json.loads(read)["spec"]["template"], system.namespace, name, contestant)
    with journal.promised("remove", objects=[{**made, "spec": None}]):
        system.cluster.kubectl.run("create", "-f", "-", stdin=json.dumps(made))
        yield system.waiting.until(f"pod {name}", lambda: _ready(system, name), READY_S)


def _ready(system: System, name: str) -> Pod:
    pods = system.cluster.pods(system.namespace, f"{INSTANCE}={name}")
    if not pods:
        raise NotYetError(f"{name} has no pod")
    (pod,) = pods
    require_hope(system.cluster, pod)
    if missing := missing_in(pod):
        raise NotYetError(missing)
    return pod


def _manifest(template: dict[str, Any], namespace: str, name: str, contestant: Contestant) -> dict[str, Any]:
    """A ReplicaSet: Dapr's injector gives a sidecar to a pod that a controller of Kubernetes makes, and to no other."""
    spec = deepcopy(template["spec"])
    container = spec["containers"][0]
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        container.pop(probe, None)
    if contestant.program is not None:
        container.update(command=["python", "-c", contestant.program], args=[])
    container["env"] += [{"name": name, "value": value} for name, value in contestant.environment.items()]
    annotations = template["metadata"]["annotations"] | contestant.annotations
    labels = {"app.kubernetes.io/name": "acceptance", INSTANCE: name}
    told = {key: value for key, value in annotations.items() if value is not None}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": {INSTANCE: name}},
            "template": {
                "metadata": {"labels": labels, "annotations": told},
                "spec": spec | {"terminationGracePeriodSeconds": 0},
            },
        },
    }
