"""One trace from a client's request to what becomes of its event."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from acceptance.agent.database import Database
from acceptance.agent.dead_letters import in_table
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, UnmetError
from acceptance.harness.probes.api import Api, reached
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count
from acceptance.harness.waiting import Waiting

STATE = "acceptance=1"
LOGGED_S = 10

Found = dict[str, Any]


@pytest.fixture
def trace_id() -> str:
    """A trace of this test's own."""
    return uuid4().hex


@proves("scenario-45-one-trace")
def test_one_trace_reaches_the_topic_the_log_and_the_dead_letter(
    system: System,
    agent: Api,
    caller: Api,
    database: Database,
    schema: Schema,
    topic: Topic,
    dead_letters: Topic,
    waiting: Waiting,
    trace_id: str,
    judge: Judge,
) -> None:
    system.until_steady(agent)
    judge.within("reached_s", "/invoke/health to be answered", partial(reached, caller, "/invoke/health"))
    ends, letters = topic.offsets(), dead_letters.offsets()
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01", "tracestate": STATE}
    at_once, queued, given_up = uuid4().hex, uuid4().hex, uuid4().hex
    asked = {at_once: ("wait=5", 200), queued: ("respond-async", 202), given_up: ("wait=5", 200)}
    with schema.refusing(given_up):
        for event_id, (prefer, status) in asked.items():
            named = headers | {"Idempotency-Key": event_id, "Prefer": prefer}
            caller.json("POST", "/invoke/publish", status, json={"message": "traced"}, headers=named)
        judge.within("recorded_s", "the last to be given up", partial(in_table, database, given_up))

    places: dict[str, Callable[[], Found]] = {
        "the dead letter": partial(envelope, dead_letters, given_up, letters, judge.bound("recorded_s"))
    }
    for event_id in asked:
        line = partial(logged, system, event_id)
        places[f"the record of {event_id}"] = partial(envelope, topic, event_id, ends, judge.bound("recorded_s"))
        places[f"the log of {event_id}"] = partial(waiting.until, f"a line of {event_id}", line, LOGGED_S)
    others = {place: told for place, find in places.items() if not is_traced(told := find(), trace_id)}
    judge(count("places", places), count("of_another_trace", others.items()))


def envelope(topic: Topic, event_id: str, ends: dict[str, int], within_s: float) -> Found:
    """The event about an id behind some offsets. Raises UnmetError when there is none after `within_s`."""
    found = topic.find(f'"{event_id}"', ends, within_s)
    if not found:
        raise UnmetError(f"a record of {event_id} in {topic.name}", "none", within_s)
    read: Found = json.loads(found["value"])
    return read


def logged(system: System, event_id: str) -> Found:
    """What the handler logged last of an event. Raises NotYetError while it did not."""
    of = ("-c", system.agent.container, "--since=2m")
    logs = [system.cluster.kubectl.run("-n", pod.namespace, "logs", pod.name, *of) for pod in system.agent_pods()]
    written = [line for log in logs for line in log.splitlines()]
    lines = [line for line in written if f"Received event {event_id}" in line]
    if not lines:
        raise NotYetError(f"no line of it among {len(written)}")
    read: Found = json.loads(lines[-1])
    return read


def is_traced(found: Found, trace_id: str) -> bool:
    """Whether something is of a trace: sidecars on the way add spans of their own, and change the rest."""
    return str(found.get("traceparent", "")).split("-")[1:2] == [trace_id] and STATE in str(found.get("tracestate"))
