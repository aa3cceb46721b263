"""Kafka and PostgreSQL away or frozen, and back."""

from acceptance.conftest import Bound, Measure
from acceptance.harness import system
from acceptance.harness.api import Api
from acceptance.harness.catalogue import Entry, proves
from acceptance.harness.errors import EnvironmentNotReadyError, expect
from acceptance.harness.faults import Faults
from acceptance.harness.timeline import Timeline
from acceptance.harness.waiting import Waiting

BACK_S = 60


@proves(
    "scenario-4-kafka-killed",
    "scenario-5-postgres-killed",
    "scenario-6-kafka-frozen",
    "scenario-7-postgres-frozen",
)
def test_agent_tells_the_truth_while_a_backend_is_away_and_recovers_alone(
    entry: Entry, agent: Api, faults: Faults, watched: Timeline, waiting: Waiting, bound: Bound, measure: Measure
) -> None:
    injected = faults.killed if entry.fault == "killed" else faults.frozen
    with injected(system.TARGETS[entry.target], watched, entry.lasts_s) as fault:
        failed = waiting.until(
            "/ready to fail", lambda: watched.first("ready", "503", fault.at), bound("ready_fails_s")
        )
    back = waiting.until(
        f"{entry.target} to answer", lambda: watched.first(entry.target, "answers", fault.undone), BACK_S
    )
    ready = waiting.until("/ready to be green", lambda: watched.first("ready", "200", back), bound("ready_again_s"))
    first_event = system.publish_and_wait(agent, waiting, bound("first_event_s"))

    answers = [one for one in watched.of(entry.target, fault.at, fault.undone - 3) if one.state == "answers"]
    if answers:
        raise EnvironmentNotReadyError(f"the fault did not bite: {entry.target} answered {len(answers)} times")
    health = watched.of("health", fault.at)
    unhealthy = [one for one in health if one.state != "200"]
    measure("unhealthy_percent", 100 * len(unhealthy) / max(1, len(health)))
    measure("ready_fails_s", failed - fault.at)
    with_endpoints = [one.at for one in watched.of("endpoints", fault.at, back) if one.state != "0"]
    measure("endpoints_gone_s", max(with_endpoints, default=fault.at) - fault.at)
    expect(watched.of("endpoints", fault.at, back)[-1].state == "0", "no ready endpoint of the Service", "one is ready")
    measure("ready_again_s", max(0.0, ready - back))
    measure("first_event_s", first_event)
