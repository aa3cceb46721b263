"""The agent's sidecar in its own words: the calls of its API, as its log has them."""

import re
import time
from datetime import UTC, datetime

from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod

CALL = re.compile(
    r'^time="(?P<time>[^"]+)".* msg="HTTP API Called".* duration=(?P<ms>\d+).* method="(?P<method>[^"]+)"'
)


def calls(cluster: Cluster, pod: Pod, method: str, since: float, until: float) -> list[str]:
    """Log lines of the API calls that began in a span of the monotonic clock, by how their method and path begin."""
    to_wall = time.time() - time.monotonic()
    lines = cluster.kubectl.run("-n", pod.namespace, "logs", pod.name, "-c", "daprd", "--since=30m").splitlines()
    found = [(line, one) for line in lines if (one := CALL.search(line)) and one["method"].startswith(method)]

    def began(one: re.Match[str]) -> float:
        ended = datetime.fromisoformat(one["time"]).astimezone(UTC).timestamp()
        return ended - int(one["ms"]) / 1000 - to_wall

    return [line for line, one in found if since <= began(one) < until]
