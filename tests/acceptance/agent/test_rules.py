"""The rule table: each broken system gets the cause that breaks it, a healthy one gets none."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from acceptance.agent.rules import State, first_finding
from acceptance.harness.probes.api import Api
from tests.acceptance.fakes import AGENT, CALLER, COMPONENTS, KAFKA, OPERATOR, POD, POSTGRES, Data, pod_with

LOADED = {
    "components": [{"name": "kafka-pubsub"}, {"name": "postgres-statestore"}],
    "subscriptions": [{"pubsubname": "kafka-pubsub", "topic": "agent-events"}],
}
GREEN: dict[str, Any] = {"checks": {"pubsub": {"status": "ok"}, "dapr": {"status": "ok"}}}


def saying(answer: dict[str, Any]) -> Api:
    return cast("Api", SimpleNamespace(call=lambda *_: SimpleNamespace(json=lambda: answer)))


def cause(data: Data, ready: dict[str, Any] = GREEN, metadata: dict[str, Any] = LOADED) -> str:
    finding = first_finding(State(data.as_system(), saying(ready), saying(metadata)))
    return finding.cause if finding else ""


def test_a_healthy_system_gets_no_cause() -> None:
    assert cause(Data()) == ""


BROKEN = [
    (Data(all_workloads=[AGENT, CALLER, replace(OPERATOR, ready=0)]), "deployment/dapr-operator has 0/1"),
    (Data(all_workloads=[AGENT]), "Deployment fastapi-dapr-caller does not exist"),
    (Data(all_pods={CALLER.selector: [POD]}), "has no pod"),
    (
        Data(all_pods={AGENT.selector: [replace(POD, containers={})], CALLER.selector: [POD]}),
        "sidecar not injected",
    ),
    (Data(all_workloads=[AGENT, CALLER, replace(KAFKA, desired=0, ready=0), POSTGRES]), "kafka is away: 0/0"),
    (Data(components={"kafka-pubsub": COMPONENTS["kafka-pubsub"]}), "Component postgres-statestore does not exist"),
    (
        Data(components={**COMPONENTS, "kafka-pubsub": {**COMPONENTS["kafka-pubsub"], "scopes": ["other"]}}),
        "not scoped to fastapi-dapr-agent",
    ),
    (
        Data(
            all_pods={
                AGENT.selector: [pod_with("daprd", waiting="CrashLoopBackOff", restarts=4)],
                CALLER.selector: [POD],
            }
        ),
        "crash loop",
    ),
]


@pytest.mark.parametrize(("data", "named"), BROKEN)
def test_a_broken_cluster_gets_its_cause(data: Data, named: str) -> None:
    assert named in cause(data)


@pytest.mark.parametrize(
    ("ready", "metadata", "named"),
    [
        ({"checks": {"pubsub": {"status": "failed", "error": "refused"}}}, LOADED, "/ready names pubsub: refused"),
        (GREEN, {**LOADED, "components": []}, "kafka-pubsub exists but the sidecar has not loaded it"),
        (GREEN, {**LOADED, "subscriptions": []}, "subscribed to nothing"),
        ({"checks": {"dapr": {"status": "failed"}}}, LOADED, "/ready names dapr"),
    ],
)
def test_a_broken_service_gets_its_cause(ready: dict[str, Any], metadata: dict[str, Any], named: str) -> None:
    assert named in cause(Data(), ready, metadata)


def test_a_cluster_that_is_away_is_the_cause() -> None:
    class Away(Data):
        def workloads(self, _namespace: str) -> list[Any]:
            raise OSError("connection refused")

    assert "the API server does not answer" in cause(Away())


WITHOUT_KAFKA = Data(all_workloads=[AGENT, CALLER, replace(KAFKA, desired=0, ready=0), POSTGRES])
READY_WITHOUT_KAFKA = {"checks": {"pubsub": {"status": "failed", "error": "refused"}}}


@pytest.mark.parametrize(("target", "named"), [("kafka", ""), ("postgres", "kafka is away"), ("", "kafka is away")])
def test_what_the_run_itself_took_away_is_not_the_cause(target: str, named: str) -> None:
    state = State(WITHOUT_KAFKA.as_system(), saying(READY_WITHOUT_KAFKA), saying(LOADED))
    state.under_fault = frozenset({target})
    finding = first_finding(state)
    assert named in (finding.cause if finding else "")
    assert bool(finding) == bool(named)


def test_a_component_that_the_run_deleted_is_not_the_cause() -> None:
    state = State(Data(components={}).as_system(), saying(GREEN), saying({**LOADED, "components": []}))
    state.under_fault = frozenset({"kafka-pubsub"})
    finding = first_finding(state)
    assert finding
    assert finding.cause == "Component postgres-statestore does not exist"
