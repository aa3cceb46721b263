"""Scenario 4 and its relatives: a backend away or frozen, and back."""

from uuid import uuid4

from acceptance.conftest import Bound, Measure
from acceptance.harness import system
from acceptance.harness.api import Api
from acceptance.harness.catalogue import proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults import Faults
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox
from acceptance.harness.waiting import Waiting


@proves("scenario-4-kafka-killed")
def test_kafka_killed_and_back(
    cluster: Cluster,
    agent: Api,
    toolbox: Toolbox,
    faults: Faults,
    timeline: Timeline,
    waiting: Waiting,
    bound: Bound,
    measure: Measure,
) -> None:
    address = f"http://{system.agent_pod(cluster).ip}:{system.APP_PORT}"
    paths = {"health": f"{address}/health", "ready": f"{address}/ready"}

    def endpoints() -> str:
        return str(len(cluster.ready_endpoints(system.NAMESPACE, system.AGENT)))

    with (
        timeline.asking(toolbox, paths, {"kafka": system.BACKENDS["kafka"]}),
        timeline.sampling("endpoints", endpoints),
    ):
        with faults.killed(system.KAFKA, timeline) as fault:
            failed = waiting.until(
                "/ready to fail", lambda: timeline.first("ready", "503", fault.at), bound("ready_fails_s")
            )
        back = waiting.until("the broker to listen again", lambda: timeline.first("kafka", "answers", fault.at + 1), 60)
        ready = waiting.until(
            "/ready to be green", lambda: timeline.first("ready", "200", back), bound("ready_again_s")
        )
        first_event = publish_and_wait(agent, waiting, bound("first_event_s"))

    health = timeline.of("health", fault.at)
    measure("health_share_percent", 100 * sum(one.state == "200" for one in health) / max(1, len(health)))
    expect(
        all(one.state == "200" for one in health), "every /health to be 200", [o for o in health if o.state != "200"]
    )
    measure("ready_fails_s", failed - fault.at)
    gone = timeline.of("endpoints", fault.at + bound("endpoints_gone_s"), back)
    expect(gone and all(one.state == "0" for one in gone), "no ready endpoint while Kafka is away", gone)
    measure("ready_again_s", ready - back)
    measure("first_event_s", first_event)


def publish_and_wait(agent: Api, waiting: Waiting, within_s: float) -> float:
    """Seconds from publishing an event until its effect can be read."""
    started = Timeline()
    event = agent.json(
        "POST", "/publish", json={"message": "first again", "metadata": {"key": f"acceptance-{uuid4()}"}}
    )

    def applied() -> None:
        answer = agent.call("GET", f"/events/{event['id']}")
        if answer.status_code != 200 or answer.json().get("status") != "applied":
            raise NotYetError(f"/events/{event['id']} answers {answer.status_code}: {answer.text[:200]}")

    waiting.until("the event to be applied", applied, within_s, interval_s=0.05)
    return started.note("event", "applied") - started.began
