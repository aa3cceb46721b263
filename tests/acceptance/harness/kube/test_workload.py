"""What is missing in a workload, and when waiting cannot help."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from acceptance.harness.errors import HopelessError, NotYetError
from acceptance.harness.kube.workload import missing_in, require_ready
from tests.acceptance.fakes import AGENT, POD, Data, pod_with


def test_a_workload_that_is_ready_is_returned() -> None:
    assert require_ready(Data().as_cluster(), AGENT.namespace, AGENT.name) == AGENT


@pytest.mark.parametrize(
    ("workload", "missing"),
    [
        (replace(AGENT, name="other"), "no Deployment or StatefulSet"),
        (replace(AGENT, current=False), "has not seen the last change"),
        (replace(AGENT, ready=0), "0/1 replicas ready"),
        (replace(AGENT, updated=0), "0 updated"),
        (replace(AGENT, desired=0, ready=0), "0/0 replicas ready"),
    ],
)
def test_what_is_missing_in_a_workload_is_said(workload: object, missing: str) -> None:
    data = Data(all_workloads=[workload])  # type: ignore[list-item]  # parametrized
    with pytest.raises(NotYetError, match=missing):
        require_ready(data.as_cluster(), AGENT.namespace, AGENT.name)


@pytest.mark.parametrize(
    ("pod", "missing"),
    [
        (POD, ""),
        (pod_with("daprd"), "1/2 containers ready; daprd: not ready"),
        (replace(POD, ready=False, blocked="0/1 nodes are available"), "cannot be scheduled: 0/1 nodes"),
        (replace(POD, leaving=True), "is terminating"),
    ],
)
def test_what_is_missing_in_a_pod_is_said(pod: object, missing: str) -> None:
    assert missing in missing_in(pod)  # type: ignore[arg-type]  # parametrized
    assert bool(missing) == bool(missing_in(pod))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("pod", "error", "why"),
    [
        (pod_with("fastapi", waiting="ErrImageNeverPull"), HopelessError, "cannot be pulled"),
        (pod_with("fastapi", waiting="CreateContainerConfigError", message="no secret"), HopelessError, "no secret"),
        (
            pod_with("fastapi", waiting="CreateContainerConfigError", message="failed to sync secret cache: timed out"),
            NotYetError,
            "failed to sync",
        ),
        (pod_with("daprd", waiting="CrashLoopBackOff", restarts=3), HopelessError, "last line: the last line"),
        (pod_with("daprd", waiting="CrashLoopBackOff", restarts=1), NotYetError, "ended once"),
        (replace(POD, containers={"fastapi": POD.containers["fastapi"]}), HopelessError, "sidecar not injected"),
    ],
)
def test_a_pod_that_waiting_cannot_help_fails_early(pod: object, error: type[Exception], why: str) -> None:
    data = Data(all_pods={AGENT.selector: [pod]})  # type: ignore[list-item]  # parametrized
    with pytest.raises(error, match=why):
        require_ready(data.as_cluster(), AGENT.namespace, AGENT.name)


@pytest.mark.parametrize(
    ("message", "minutes_ago", "error", "told"),
    [
        ('pods "x" is forbidden: exceeded quota', 0, HopelessError, "exceeded quota"),
        ('pods "x" is forbidden: exceeded quota', 10, NotYetError, "0/1 replicas ready"),
        ("failed calling webhook: connection refused", 0, NotYetError, "failed calling webhook"),
    ],
)
def test_pods_that_the_api_server_just_refused_fail_early(
    message: str, minutes_ago: int, error: type[Exception], told: str
) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    about = SimpleNamespace(name=f"{AGENT.name}-1")
    event = SimpleNamespace(message=message, involved_object=about, last_timestamp=at, event_time=None)
    data = Data(all_pods={}, all_workloads=[replace(AGENT, ready=0)], events=[event])
    with pytest.raises(error, match=told):
        require_ready(data.as_cluster(), AGENT.namespace, AGENT.name)
