"""Kafka and PostgreSQL away or frozen, and back."""

from contextlib import suppress
from functools import partial
from typing import Any

from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError, UnmetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api, shorten
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import endpoints_gone, most, recovered, share, slowest, took
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.timeline import Timeline

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
    system: System,
    entry: Entry,
    agent: Api,
    faults: Faults,
    watched: Timeline,
    waiting: Waiting,
    judge: Judge,
) -> None:
    inject = faults.killed if entry.fault == "killed" else faults.frozen
    with inject(system.target(entry.target), watched, entry.lasts_s) as fault:
        failing = partial(watched.first, "ready", "503", fault.at)
        failed = waiting.until("/ready to fail", failing, judge.bound("ready_fails_s"))
        method, path, body, dependency = NEEDS[entry.target]
        refused = agent.call(method, path, json=body)
        # as long as the probe has it: what is over sooner was not away for who asks by the Service
        gone = partial(watched.first, "endpoints", "0", fault.at)
        with suppress(UnmetError):
            waiting.until("the Service to have no endpoint", gone, judge.bound("endpoints_gone_s"))
    answering = partial(watched.first, entry.target, "answers", fault.undone)
    back = waiting.until(f"{entry.target} to answer", answering, BACK_S)
    waiting.until("/ready to be green", partial(watched.first, "ready", "200", back), judge.bound("ready_again_s"))
    first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))

    answers = [one for one in watched.of(entry.target, fault.at + 1, fault.undone - 3) if one.state == "answers"]
    if answers:
        raise EnvironmentNotReadyError(f"the fault did not bite: {entry.target} answered {len(answers)} times")
    told = refused.status_code == 503 and dependency in refused.json().get("detail", "")
    expect(told, f"{method} {path} to answer 503 and name {dependency}", shorten(refused))
    judge(slowest("answer_s", [refused]), share("unhealthy_percent", watched, "health", fault.at, other_than="200"))
    judge(took("ready_fails_s", fault.at, failed), endpoints_gone(watched, fault.at, back))
    endpoints = watched.of("endpoints", fault.at, back)
    expect(endpoints[-1].state == "0", "no ready endpoint of the Service while it is away", endpoints[-1].state)
    judge(recovered(watched, failed, back), most("first_event_s", first_event))
