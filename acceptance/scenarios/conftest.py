"""What scenarios watch and send while something is broken."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from acceptance.agent import contract
from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.replicas import mebibytes
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import KubectlError, expect
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import grown
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.load import Load
from acceptance.harness.watching.observers import asking, sampling
from acceptance.harness.watching.timeline import Timeline

WATCHED_WITHIN_S = 15
ROLLED_OUT_S = 60
SERVE_DEGRADED = Path(__file__).parents[2] / "components/serve-degraded/kustomization.yaml"


@contextmanager
def growing(system: System, judge: Judge) -> Iterator[None]:
    """How much agent and sidecar grow over a block, and that neither is restarted."""
    restarts, before = system.restarts(), mebibytes(system)
    yield
    expect(system.restarts() == restarts, f"every container as it was: {restarts}", system.restarts())
    judge(grown(mebibytes(system), before))


@pytest.fixture
def memory(system: System, agent: Api, judge: Judge) -> Iterator[None]:
    """The memory of agent and sidecar over the whole test."""
    system.until_steady(agent)
    with growing(system, judge):
        yield


@pytest.fixture(scope="module")
def serve_degraded(system: System, cluster: Cluster, agent: Api, journal: Journal) -> Iterator[None]:
    """The agent's Deployment with the patch of components/serve-degraded, rolled out once for a module's tests."""
    (patch,) = yaml.safe_load(SERVE_DEGRADED.read_text())["patches"]
    strict, degrade = yaml.safe_load(patch["patch"])
    reference = f"deployment/{system.agent.name}"
    with suppress(KubectlError):
        cluster.patch(system.namespace, reference, [{**degrade, "op": "test"}])
        yield
        return
    # Before anything is promised: undoing would overwrite a probe that is neither of the two.
    cluster.patch(system.namespace, reference, [strict])
    as_it_was = [{**strict, "op": "add"}]
    with journal.promised("patch", namespace=system.namespace, reference=reference, operations=as_it_was):
        cluster.patch(system.namespace, reference, [strict, degrade])
        system.until_steady(agent, ROLLED_OUT_S)
        yield
    system.until_steady(agent, ROLLED_OUT_S)


@pytest.fixture
def watched(
    system: System, cluster: Cluster, agent: Api, waiting: Waiting, toolbox: Toolbox, timeline: Timeline
) -> Iterator[Timeline]:
    """The agent's pod, both backends and the Service's endpoints, ten times a second, over the whole test."""
    system.until_steady(agent)
    pod = system.agent_pod()
    routes = {"health": system.names.routes.health, "ready": system.names.routes.ready}
    paths = {name: f"http://{pod.host}:{contract.APP_PORT}{route}" for name, route in routes.items()}

    def endpoints() -> str:
        return str(len(cluster.ready_endpoints(system.namespace, system.names.agent.service)))

    backends = system.backends()
    with asking(timeline, toolbox, paths, backends), sampling(timeline, "endpoints", endpoints):
        for name in (*paths, *backends):
            waiting.until(f"{name} to be watched", partial(timeline.first, name, since=0.0), WATCHED_WITHIN_S)
        yield timeline


@pytest.fixture
def load(timeline: Timeline, toolbox: Toolbox, waiting: Waiting) -> Load:
    """Steady traffic from inside the cluster."""
    return Load(timeline, toolbox, waiting)


@pytest.fixture
def dead_letters(topic: Topic) -> Topic:
    """The dead letter topic, read by a consumer of the run's own."""
    return replace(topic, name=contract.DEAD_LETTER_TOPIC)


@pytest.fixture
def effects(database: Database, waiting: Waiting, dead_letters: Topic) -> Effects:
    """What took effect of this test's own events."""
    return Effects(database, waiting, dead_letters, f"acceptance-{uuid4()}")
