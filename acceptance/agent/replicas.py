"""Replicas of the agent: one that cannot apply events beside one that can, and what each holds in memory."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError, NotYetError
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.node import Node
from acceptance.harness.kube.objects import Pod

MIB = 2**20


def mebibytes(system: System) -> dict[str, dict[str, float]]:
    """Resident MiB of app and sidecar in each pod. Raises EnvironmentNotReadyError without their node."""
    pods, containers = system.agent_pods(), {"agent": system.agent.container, "sidecar": system.sidecar.container}
    return {name: {pod.name: _resident(pod, container) for pod in pods} for name, container in containers.items()}


def _resident(pod: Pod, container: str) -> float:
    found = Node(pod.node).resident_bytes(pod.containers[container].id) / MIB
    if not found:
        raise EnvironmentNotReadyError(f"the memory of {pod.name} cannot be read on node {pod.node}")
    return found


CREATED_S = 30
STARTED_S = 60
ENV = "/spec/template/spec/containers/0/env"
REFUSE = """
sed --in-place "1i host all all $1/32 reject" "$PGDATA/pg_hba.conf"
psql --quiet --username=postgres --set="ip=$1" <<'END'
SELECT pg_reload_conf();
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE client_addr = :'ip';
END
"""
ADMIT = """
sed --in-place "\\|^host all all $1/32 reject$|d" "$PGDATA/pg_hba.conf"
psql --quiet --username=postgres --command='SELECT pg_reload_conf()'
"""


@contextmanager
def revised(faults: Faults, system: System, variables: dict[str, str]) -> Iterator[Pod]:
    """The pod of a new revision with other environment variables, once its sidecar runs; the old revision stays.

    Undone in any case: the Deployment is as it was then, and the pod was told to end.
    """
    cluster = faults.cluster
    faults.begin(system.agent)
    old = system.agent_pods()
    reference = f"deployment/{system.agent.name}"
    deployment = json.loads(cluster.kubectl.run("-n", system.namespace, "get", reference, "-o", "json"))
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    as_it_was = {"op": "replace", "path": ENV, "value": container["env"]}
    others = [one for one in container["env"] if one["name"] not in variables]
    changed = [*others, *({"name": name, "value": value} for name, value in variables.items())]
    there = {"namespace": system.namespace, "reference": reference}
    with faults.journal.promised("patch", operations=[as_it_was], **there):
        cluster.patch(operations=[{**as_it_was, "value": changed}], **there)
        new = faults.waiting.until("a pod of the new revision", partial(new_pod, system, old), CREATED_S)
        faults.waiting.until("its sidecar to be ready", partial(_require_sidecar, system, new), STARTED_S)
        yield new


@contextmanager
def refused(faults: Faults, system: System, pod: Pod) -> Iterator[None]:
    """PostgreSQL ends the connections of one pod, and refuses new ones from there."""
    with ExitStack() as undo:
        for postgres in faults.begin(system.postgres)[1]:
            there: dict[str, Any] = {"namespace": postgres.namespace, "pod": postgres.name, "arguments": [pod.ip]}
            undo.enter_context(faults.journal.promised("exec", script=ADMIT, **there))
            faults.cluster.execute(script=REFUSE, **there)
        yield


def new_pod(system: System, old: list[Pod]) -> Pod:
    """The agent's pod that was not there before, once it has an address. Raises NotYetError while there is none."""
    known = {one.uid for one in old}
    found = [one for one in system.agent_pods() if one.uid not in known and one.ip]
    if not found:
        raise NotYetError(f"none with an address but {', '.join(one.name for one in old)}")
    return found[-1]


def require_gone(cluster: Cluster, pod: Pod) -> None:
    """Raise NotYetError while a pod is still there."""
    if any(one.uid == pod.uid for one in cluster.pods(pod.namespace)):
        raise NotYetError(f"{pod.name} is still there")


def _require_sidecar(system: System, pod: Pod) -> None:
    (now,) = [one for one in system.agent_pods() if one.uid == pod.uid]
    if not now.containers[system.sidecar.container].ready:
        raise NotYetError(f"{pod.name}: daprd is not ready")
