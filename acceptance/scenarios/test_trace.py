"""One trace from a client's request to what becomes of its event."""

import json
from functools import partial
from typing import Any
from uuid import uuid4

from acceptance.agent.database import Database
from acceptance.agent.effects import in_table
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError
from acceptance.harness.probes.api import Api, reached
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count

STATE = "acceptance=1"
AT_ONCE, QUEUED = ("wait=5", 200), ("respond-async", 202)
"""What is preferred, and the status of the answer."""
LOGGED_S = 10

Found = dict[str, Any]


@proves("scenario-45-one-trace")
def test_one_trace_reaches_the_topic_the_log_and_the_dead_letter(
    system: System,
    agent: Api,
    caller: Api,
    database: Database,
    schema: Schema,
    topic: Topic,
    dead_letters: Topic,
    judge: Judge,
) -> None:
    system.until_steady(agent)
    judge.within("reached_s", "/invoke/health to be answered", partial(reached, caller, "/invoke/health"))
    trace_id, ends, letters = uuid4().hex, topic.offsets(), dead_letters.offsets()
    asked = {uuid4().hex: how for how in (AT_ONCE, QUEUED, AT_ONCE)}
    given_up = [*asked][-1]
    with schema.refusing(given_up):
        publish(caller, asked, trace_id)
        judge.within("recorded_s", "the last to be given up", partial(in_table, database, given_up))

    places = {"the dead letter": dead_letters.envelope(given_up, letters, judge.bound("recorded_s"))}
    for event_id in asked:
        places[f"the record of {event_id}"] = topic.envelope(event_id, ends, judge.bound("recorded_s"))
        places[f"the log of {event_id}"] = logged(system, event_id)
    judge(count("places", places), count("of_another_trace", others(places, trace_id)))


def publish(caller: Api, asked: dict[str, tuple[str, int]], trace_id: str) -> None:
    """Publish events as a client of the caller that has a trace. Raises UnmetError when one is answered otherwise."""
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01", "tracestate": STATE}
    for event_id, (prefer, status) in asked.items():
        named = headers | {"Idempotency-Key": event_id, "Prefer": prefer}
        caller.json("POST", "/invoke/publish", status, json={"message": "traced"}, headers=named)


def logged(system: System, event_id: str) -> Found:
    """What the handler logged last of an event. Raises UnmetError when that is nothing after a while."""
    of = ("-c", system.agent.container, "--since=2m")

    def last() -> Found:
        logs = [system.cluster.kubectl.run("-n", pod.namespace, "logs", pod.name, *of) for pod in system.agent_pods()]
        written = [line for log in logs for line in log.splitlines()]
        lines = [line for line in written if f"Received event {event_id}" in line]
        if not lines:
            raise NotYetError(f"no line of it among {len(written)}")
        read: Found = json.loads(lines[-1])
        return read

    return system.waiting.until(f"a line of {event_id}", last, LOGGED_S)


def others(places: dict[str, Found], trace_id: str) -> list[tuple[str, Found]]:
    """What was found of another trace, and where."""
    return [(place, found) for place, found in places.items() if not is_traced(found, trace_id)]


def is_traced(found: Found, trace_id: str) -> bool:
    """Whether something is of a trace: sidecars on the way add spans of their own, and change the rest."""
    return str(found.get("traceparent", "")).split("-")[1:2] == [trace_id] and STATE in str(found.get("tracestate"))
