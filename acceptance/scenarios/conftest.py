"""What scenarios watch and send while something is broken."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from acceptance.harness import system
from acceptance.harness.account import Account
from acceptance.harness.api import Api
from acceptance.harness.cluster import Cluster
from acceptance.harness.database import Database
from acceptance.harness.journal import Journal
from acceptance.harness.load import Load
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox
from acceptance.harness.topic import Topic
from acceptance.harness.waiting import Waiting

WATCHED_WITHIN_S = 15
ROLLED_OUT_S = 60
SERVE_DEGRADED = Path(__file__).parents[2] / "components/serve-degraded/kustomization.yaml"


@pytest.fixture
def serve_degraded(cluster: Cluster, agent: Api, waiting: Waiting, journal: Journal) -> Iterator[None]:
    """The agent's Deployment with the patch of components/serve-degraded, rolled out."""
    (patch,) = yaml.safe_load(SERVE_DEGRADED.read_text())["patches"]
    test, replace = yaml.safe_load(patch["patch"])
    reference = f"deployment/{system.AGENT}"
    entry = journal.promise(
        "patch", namespace=system.NAMESPACE, reference=reference, operations=[{**test, "op": "add"}]
    )
    cluster.patch(system.NAMESPACE, reference, [test, replace])
    try:
        system.until_steady(cluster, agent, waiting, ROLLED_OUT_S)
        yield
    finally:
        journal.undo(entry)
    system.until_steady(cluster, agent, waiting, ROLLED_OUT_S)


@pytest.fixture
def watched(cluster: Cluster, agent: Api, waiting: Waiting, toolbox: Toolbox, timeline: Timeline) -> Iterator[Timeline]:
    """The agent's pod, both backends and the Service's endpoints, ten times a second, over the whole test."""
    system.until_steady(cluster, agent, waiting)
    pod = system.agent_pod(cluster)
    paths = {name: f"http://{pod.ip}:{system.APP_PORT}/{name}" for name in ("health", "ready")}

    def endpoints() -> str:
        return str(len(cluster.ready_endpoints(system.NAMESPACE, system.AGENT)))

    with timeline.asking(toolbox, paths, system.BACKENDS), timeline.sampling("endpoints", endpoints):
        for name in (*paths, *system.BACKENDS):
            waiting.until(f"{name} to be watched", partial(timeline.first, name, since=0.0), WATCHED_WITHIN_S)
        yield timeline


@pytest.fixture
def load(timeline: Timeline, toolbox: Toolbox) -> Load:
    """Steady traffic from inside the cluster."""
    return Load(timeline, toolbox)


@pytest.fixture
def account(cluster: Cluster, toolbox: Toolbox, database: Database) -> Account:
    """The events of a key of this test's own."""
    brokers = system.component_metadata(cluster, system.PUBSUB)["brokers"]
    key = f"acceptance-{uuid4()}"
    return Account(database, Topic(toolbox, brokers, system.DEAD_LETTER_TOPIC, key), key)
