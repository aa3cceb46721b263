"""Events that nobody published, and invocations that nobody needs: refused whoever sends them, and however."""

import json
from collections.abc import Iterator
from functools import partial
from http.client import OK, SERVICE_UNAVAILABLE
from typing import Any
from uuid import uuid4

import pytest

from acceptance.agent import contract
from acceptance.agent.database import Database
from acceptance.agent.inputs.forgery import Way
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic, cloud_event
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.kube.port_forward import PortForward
from acceptance.harness.probes.api import Api, reached, shorten
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most
from acceptance.in_cluster import forge

EFFECTS = "SELECT count(*) FROM effects WHERE key = $1"
KNOWN = """
SELECT (SELECT count(*) FROM processed_events WHERE id = $1) + (SELECT count(*) FROM dead_letters WHERE id = $1)
"""
INVOKE = "/v1.0/invoke/{}/method/"
HEADERS = ("dapr-caller-app-id", "Dapr-Api-Token", "authorization", "cookie", "content-length", "keep-alive", "grpc-x")
INSIDE_S = 300


@proves("scenario-30-forged-events")
def test_a_forged_event_is_refused_and_the_real_one_of_its_id_is_applied(
    agent: Api,
    caller: Api,
    sidecar: Api,
    ways: list[Way],
    database: Database,
    toolbox: Toolbox,
    topic: Topic,
    judge: Judge,
) -> None:
    key, event_id = f"acceptance-{uuid4()}", uuid4().hex
    tried = [(way, *one) for way in ways for one in answered(toolbox, way, event_id, key)]

    judge(count("tried", tried))
    judge(count("accepted", [(way.name, asked, status) for way, asked, status in tried if way.is_accepted(status)]))
    judge(count("server_errors", [(way.name, asked, status) for way, asked, status in tried if way.is_broken(status)]))
    judge(most("effects", database.value(EFFECTS, key) + database.value(KNOWN, event_id)))
    for method, path, content in needed(event_id, key):
        allowed = partial(require_allowed, caller, method, f"/invoke{path}", content)
        judge.within("reached_s", f"{method} /invoke{path} to be allowed", allowed)
    judge.within("applied_s", "the real event to be in effect", partial(require_total, agent, key, 7))
    # a record may call itself anything: it is delivered all the same
    topic.write([Record(cloud_event(uuid4().hex, key, amount=1), headers=dict.fromkeys(HEADERS, "7"))])
    judge.within("applied_s", "a record with forged headers to be in effect", partial(require_total, agent, key, 8))
    require_invoked(sidecar)


@pytest.fixture
def ways(
    system: System,
    agent: Api,
    caller: Api,
    agent_forward: PortForward,
    caller_forward: PortForward,
    credentials: dict[str, str],
    judge: Judge,
) -> list[Way]:
    """Every way to the agent that somebody may try, once the caller's own leads there."""
    system.until_steady(agent)
    judge.within("reached_s", "/invoke/health to be answered", partial(reached, caller, "/invoke/health"))
    # only now: until something was answered, a port-forward may lead to a pod that is gone
    return ways_to_agent(system, agent_forward, caller_forward, credentials)


def ways_to_agent(
    system: System, agent_forward: PortForward, caller_forward: PortForward, credentials: dict[str, str]
) -> list[Way]:
    """Every way to the agent that somebody may try; a sidecar is shown the token that it may ask for."""
    pod = system.agent_pod()
    app, caller = (forward.address(contract.APP_PORT) for forward in (agent_forward, caller_forward))
    to_sidecar = partial(
        Way, address=caller_forward.address(contract.SIDECAR_PORT), by_app=False, invokes=True, headers=credentials
    )
    of_pod = partial(Way, by_app=False, inside=True, prefix=INVOKE.format(contract.AGENT))
    return [
        Way("outside", app),
        Way("the caller", caller, prefix="/invoke/", invokes=True),
        to_sidecar("the caller's sidecar", prefix=INVOKE.format(contract.AGENT)),
        to_sidecar("that, by namespace", prefix=INVOKE.format(f"{contract.AGENT}.{system.namespace}")),
        to_sidecar("that, by header", headers={**credentials, "dapr-app-id": contract.AGENT}),
        Way("a foreign pod, to the Service", f"{system.names.agent.service}.{system.namespace}:80", inside=True),
        Way("a foreign pod, to the pod", f"{pod.host}:{contract.APP_PORT}", inside=True),
        of_pod("a foreign pod, to the sidecar", f"{pod.host}:{contract.SIDECAR_PORT}"),
        of_pod("a foreign pod, to the sidecar's port for others", f"{pod.host}:{contract.SIDECAR_INTERNAL_PORT}"),
    ]


def require_invoked(sidecar: Api) -> None:
    """Raise UnmetError unless the agent's own sidecar may invoke it."""
    health = sidecar.json("GET", f"{INVOKE.format(contract.AGENT)}health")
    expect(health.get("service") == contract.AGENT, "the agent to be invoked by its own sidecar", health)


def answered(toolbox: Toolbox, way: Way, event_id: str, key: str) -> Iterator[tuple[str, int]]:
    """What was asked for by a way, and the status of each answer."""
    requests = way.requests(event_id, key)
    lines = "\n".join(map(json.dumps, requests))
    statuses = toolbox.run("forge", timeout_s=INSIDE_S, stdin=lines) if way.inside else map(forge.status_of, requests)
    for request, status in zip(requests, statuses, strict=True):
        yield f"{request['method']} {request['path']}", status


def needed(event_id: str, key: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Everything that the caller needs of the agent; publishing the real event is one of it."""
    event = {"message": "the real one", "metadata": {"key": key, "amount": 7}}
    return [
        ("GET", "/", {}),
        ("GET", "/health", {}),
        ("GET", "/ready", {}),
        ("GET", "/db/query", {}),
        ("POST", "/state", {"json": {"key": key, "value": 1}}),
        ("GET", f"/state/{key}", {}),
        ("DELETE", f"/state/{key}", {}),
        ("POST", "/publish", {"json": event, "headers": {"Idempotency-Key": event_id}}),
        ("GET", f"/events?key={key}", {}),
    ]


def require_allowed(caller: Api, method: str, path: str, content: dict[str, Any]) -> None:
    """Raise NotYetError for 503, which is no refusal: something was away for a moment. Raise UnmetError for another."""
    answer = caller.call(method, path, **content)
    if answer.status_code == SERVICE_UNAVAILABLE:
        raise NotYetError(shorten(answer))
    expect(answer.status_code == OK, f"{method} {path} to be allowed", shorten(answer))


def require_total(agent: Api, key: str, amount: int) -> None:
    """Raise NotYetError unless a key's total is this amount."""
    totals = agent.json("GET", f"/events?key={key}")["totals"]
    if totals["amount"] != amount:
        raise NotYetError(f"the total of {key} is {totals}")
