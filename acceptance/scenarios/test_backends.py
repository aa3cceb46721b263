"""Kafka and PostgreSQL away or frozen, and back."""

from contextlib import suppress
from functools import partial
from http.client import SERVICE_UNAVAILABLE
from typing import Any

from httpx import Response

from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError, UnmetError, expect
from acceptance.harness.faults.faults import Fault, Faults
from acceptance.harness.probes.api import Api, shorten
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import endpoints_gone, most, recovered, share, slowest, took
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
    system: System, entry: Entry, agent: Api, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    inject = faults.killed if entry.fault == "killed" else faults.frozen
    with inject(system.target(entry.target), watched, entry.lasts_s) as fault:
        failed = system.until_red(watched, fault.at, judge.bound("ready_fails_s"))
        method, path, body, dependency = NEEDS[entry.target]
        refused = agent.call(method, path, json=body)
        # as long as the probe has it: what is over sooner was not away for who asks by the Service
        gone = partial(watched.first, "endpoints", "0", fault.at)
        with suppress(UnmetError):
            system.waiting.until("the Service to have no endpoint", gone, judge.bound("endpoints_gone_s"))
    back = system.until_answering(watched, entry.target, fault.undone, BACK_S)
    system.until_green(watched, back, judge.bound("ready_again_s"))
    first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))

    require_bitten(watched, fault, entry.target)
    require_refused(refused, dependency, judge)
    judge(share("unhealthy_percent", watched, "health", fault.at, other_than="200"))
    judge(took("ready_fails_s", fault.at, failed), endpoints_gone(watched, fault.at, back))
    endpoints = watched.of("endpoints", fault.at, back)
    expect(endpoints[-1].state == "0", "no ready endpoint of the Service while it is away", endpoints[-1].state)
    judge(recovered(watched, failed, back), most("first_event_s", first_event))


def require_refused(answer: Response, dependency: str, judge: Judge) -> None:
    """Raise UnmetError unless what needs a backend that is away was refused, by 503 that names it."""
    judge(slowest("answer_s", [answer]))
    told = answer.status_code == SERVICE_UNAVAILABLE and dependency in answer.json().get("detail", "")
    expect(
        told, f"{answer.request.method} {answer.request.url.path} to answer 503 and name {dependency}", shorten(answer)
    )


def require_bitten(watched: Timeline, fault: Fault, target: str) -> None:
    """Raise EnvironmentNotReadyError if a backend answered while it was said to be away."""
    answers = [one for one in watched.of(target, fault.at + 1, fault.undone - 3) if one.state == "answers"]
    if answers:
        raise EnvironmentNotReadyError(f"the fault did not bite: {target} answered {len(answers)} times")
