"""What scenarios watch while something is broken."""

from collections.abc import Iterator
from functools import partial

import pytest

from acceptance.harness import system
from acceptance.harness.api import Api
from acceptance.harness.cluster import Cluster
from acceptance.harness.objects import Pod
from acceptance.harness.restart import replaced
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox
from acceptance.harness.waiting import Waiting

WATCHED_WITHIN_S = 15
REPLACED_WITHIN_S = 60


@pytest.fixture
def watched(cluster: Cluster, agent: Api, waiting: Waiting, toolbox: Toolbox, timeline: Timeline) -> Iterator[Timeline]:
    """The agent's pod, both backends and the Service's endpoints, ten times a second, over the whole test."""
    system.until_steady(cluster, agent, waiting)
    pod = fresh_agent_pod(cluster, agent, waiting)
    paths = {name: f"http://{pod.ip}:{system.APP_PORT}/{name}" for name in ("health", "ready")}

    def endpoints() -> str:
        return str(len(cluster.ready_endpoints(system.NAMESPACE, system.AGENT)))

    with timeline.asking(toolbox, paths, system.BACKENDS), timeline.sampling("endpoints", endpoints):
        for name in (*paths, *system.BACKENDS):
            waiting.until(f"{name} to be watched", partial(timeline.first, name, since=0.0), WATCHED_WITHIN_S)
        yield timeline


def fresh_agent_pod(cluster: Cluster, agent: Api, waiting: Waiting) -> Pod:
    """The agent's pod, replaced if a container of it was ever restarted: kubelet's back-off must decide no figure."""
    if any(one.restarts for one in system.agent_pod(cluster).containers.values()):
        with replaced(cluster, system.AGENT_APP, waiting, REPLACED_WITHIN_S):
            pass
        system.until_steady(cluster, agent, waiting)
    return system.agent_pod(cluster)
