"""The system under test: its names, as the contract fixes them, and its steady state."""

import time
from http.client import OK
from uuid import uuid4

from httpx import Response

from acceptance.harness import components
from acceptance.harness.api import Api, shorten
from acceptance.harness.cluster import Cluster
from acceptance.harness.components import Backend
from acceptance.harness.errors import NotYetError
from acceptance.harness.fault import Target
from acceptance.harness.objects import Pod
from acceptance.harness.waiting import Waiting
from acceptance.harness.workload import find, require_ready, serving_pod

NAMESPACE = "fastapi-app"
DAPR_NAMESPACE = "dapr-system"
AGENT = "fastapi-dapr-agent"
CALLER = "fastapi-dapr-caller"
PUBSUB = "kafka-pubsub"
STATESTORE = "postgres-statestore"
TOPIC = "agent-events"
DEAD_LETTER_TOPIC = "agent-events-dead-letters"
STATE_TABLE = "agent_state"
CHECKS = {"api", "database", "dapr", "pubsub", "statestore"}

APP_PORT = 8000
SIDECAR_PORT = 3500
SIDECAR_METRICS_PORT = 9090
SIDECAR_INTERNAL_PORT = 50002

AGENT_APP = Target(NAMESPACE, AGENT, "fastapi")
AGENT_SIDECAR = Target(NAMESPACE, AGENT, "daprd")
KAFKA = Target("kafka", "kafka", "kafka", every=True)
POSTGRES = Target("postgres", "postgres-postgresql", "postgresql", every=True)
TARGETS = {"agent": AGENT_APP, "sidecar": AGENT_SIDECAR, "kafka": KAFKA, "postgres": POSTGRES}
DEPENDENCIES = {"kafka": ("pubsub",), "postgres": ("database", "statestore")}
"""By what names the agent tells that a backend is away."""


def pubsub(cluster: Cluster) -> dict[str, str]:
    """What the pub/sub Component says. Raises UnmetError when it does not exist."""
    return components.metadata(cluster, NAMESPACE, PUBSUB)


def postgres(cluster: Cluster) -> Backend:
    """Where PostgreSQL is, by the state store's Component. Raises UnmetError when that does not exist."""
    return components.postgres(components.metadata(cluster, NAMESPACE, STATESTORE))


def backends(cluster: Cluster) -> dict[str, tuple[str, int]]:
    """Where each backend takes connections, by their Components."""
    return {"kafka": components.kafka(pubsub(cluster)).address, "postgres": postgres(cluster).address}


def agent_pod(cluster: Cluster) -> Pod:
    """The pod of the agent that is watched, and hit by what hits one. Raises NotYetError when there is none."""
    return serving_pod(cluster, NAMESPACE, AGENT)


def agent_pods(cluster: Cluster) -> list[Pod]:
    """Every pod of the agent, oldest first. Raises NotYetError while there is no Deployment."""
    return cluster.pods(NAMESPACE, find(cluster, NAMESPACE, AGENT).selector)


def publish_url(cluster: Cluster) -> str:
    """Where events are published from inside the cluster."""
    return f"http://{cluster.address(NAMESPACE, AGENT)}/publish"


def restarts(cluster: Cluster) -> dict[str, int]:
    """How often each container of the agent's pods and of the brokers was restarted."""
    pods = [*agent_pods(cluster), *cluster.pods(KAFKA.namespace)]
    return {f"{pod.name} {name}": one.restarts for pod in pods for name, one in pod.containers.items()}


def command(cluster: Cluster, *arguments: str) -> str:
    """What one of the agent's own commands printed. Raises KubectlError when it failed."""
    target = ("exec", f"deploy/{AGENT}", "-c", AGENT_APP.container, "--")
    return cluster.kubectl.run("-n", NAMESPACE, *target, "python", "-m", "app", *arguments, timeout_s=60)


def publish_and_wait(agent: Api, waiting: Waiting, within_s: float) -> float:
    """Seconds from publishing an event until its effect can be read. Raises UnmetError when it takes longer."""
    started = time.monotonic()
    event = agent.json("POST", "/publish", json={"message": "still here", "metadata": {"key": f"acceptance-{uuid4()}"}})

    def applied() -> float:
        answer = agent.call("GET", f"/events/{event['id']}")
        if answer.status_code != 200 or answer.json().get("status") != "applied":
            raise NotYetError(f"/events/{event['id']} answers {shorten(answer)}")
        return time.monotonic() - started

    return waiting.until("the event to be applied", applied, within_s, interval_s=0.05)


def reached(api: Api, path: str) -> Response:
    """The answer to an invocation. Raises NotYetError unless it is 200.

    A sidecar looks another's name up every 30 s at most, so for that long it may dial a pod that was replaced.
    """
    answer = api.call("GET", path)
    if answer.status_code != OK:
        raise NotYetError(f"{path} answers {shorten(answer)}")
    return answer


def require_steady(cluster: Cluster, agent: Api) -> None:
    """Raise NotYetError naming what is missing, unless agent and caller are rolled out and /ready is green."""
    for name in (AGENT, CALLER):
        require_ready(cluster, NAMESPACE, name)
    if leaving := [pod.name for pod in agent_pods(cluster) if pod.leaving]:
        raise NotYetError(f"{', '.join(leaving)} is terminating")
    answer = agent.call("GET", "/ready")
    if answer.status_code != 200:
        raise NotYetError(f"/ready answers {shorten(answer, 600)}")


def until_steady(cluster: Cluster, agent: Api, waiting: Waiting, within_s: float = 30) -> None:
    """Wait for the steady state. Raises UnmetError naming what is missing."""
    waiting.until("the steady state", lambda: require_steady(cluster, agent), within_s)
