"""What scenarios watch while something is broken."""

from collections.abc import Iterator

import pytest

from acceptance.harness import system
from acceptance.harness.cluster import Cluster
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox


@pytest.fixture
def watched(cluster: Cluster, toolbox: Toolbox, timeline: Timeline) -> Iterator[Timeline]:
    """The agent's pod, both backends and the Service's endpoints, ten times a second, over the whole test."""
    pod = system.agent_pod(cluster)
    paths = {name: f"http://{pod.ip}:{system.APP_PORT}/{name}" for name in ("health", "ready")}

    def endpoints() -> str:
        return str(len(cluster.ready_endpoints(system.NAMESPACE, system.AGENT)))

    with timeline.asking(toolbox, paths, system.BACKENDS), timeline.sampling("endpoints", endpoints):
        yield timeline
