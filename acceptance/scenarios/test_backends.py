"""Kafka and PostgreSQL away or frozen, and back."""

from functools import partial
from typing import Any

from acceptance.conftest import Bound, Measure
from acceptance.harness import system
from acceptance.harness.api import Api, shorten
from acceptance.harness.catalogue import Entry, proves
from acceptance.harness.errors import EnvironmentNotReadyError, expect
from acceptance.harness.faults import Faults
from acceptance.harness.timeline import Timeline
from acceptance.harness.waiting import Waiting

BACK_S = 60
# What needs a backend, and how /ready calls it.
NEEDS: dict[str, tuple[str, str, Any, str]] = {
    "kafka": ("POST", "/publish", {"message": "nobody can take it", "metadata": {}}, "pubsub"),
    "postgres": ("GET", "/db/query", None, "database"),
}


@proves(
    "scenario-4-kafka-killed",
    "scenario-5-postgres-killed",
    "scenario-6-kafka-frozen",
    "scenario-7-postgres-frozen",
)
def test_agent_tells_the_truth_while_a_backend_is_away_and_recovers_alone(
    entry: Entry, agent: Api, faults: Faults, watched: Timeline, waiting: Waiting, bound: Bound, measure: Measure
) -> None:
    inject = faults.killed if entry.fault == "killed" else faults.frozen
    with inject(system.TARGETS[entry.target], watched, entry.lasts_s) as fault:
        failing = partial(watched.first, "ready", "503", fault.at)
        failed = waiting.until("/ready to fail", failing, bound("ready_fails_s"))
        method, path, body, dependency = NEEDS[entry.target]
        refused = agent.call(method, path, json=body)
    answering = partial(watched.first, entry.target, "answers", fault.undone)
    back = waiting.until(f"{entry.target} to answer", answering, BACK_S)
    waiting.until("/ready to be green", partial(watched.first, "ready", "200", back), bound("ready_again_s"))
    first_event = system.publish_and_wait(agent, waiting, bound("first_event_s"))

    answers = [one for one in watched.of(entry.target, fault.at + 1, fault.undone - 3) if one.state == "answers"]
    if answers:
        raise EnvironmentNotReadyError(f"the fault did not bite: {entry.target} answered {len(answers)} times")
    told = refused.status_code == 503 and dependency in refused.json().get("detail", "")
    expect(told, f"{method} {path} to answer 503 and name {dependency}", shorten(refused))
    measure("answer_s", refused.elapsed.total_seconds())
    measure("unhealthy_percent", watched.share_percent("health", fault.at, other_than="200"))
    measure("ready_fails_s", failed - fault.at)
    endpoints = watched.of("endpoints", fault.at, back)
    measure("endpoints_gone_s", max((one.at - fault.at for one in endpoints if one.state != "0"), default=0.0))
    expect(endpoints[-1].state == "0", "no ready endpoint of the Service while it is away", endpoints[-1].state)
    measure("ready_again_s", max(0.0, watched.settled("ready", "200", failed) - back))
    measure("first_event_s", first_event)
