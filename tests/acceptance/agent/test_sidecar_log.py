"""The sidecar's log: which calls of its API began when."""

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from acceptance.agent.sidecar_log import calls
from acceptance.harness.kube.cluster import Cluster
from tests.acceptance.fakes import POD

LINE = 'time="{time}" level=info msg="HTTP API Called" code=500 duration={ms} method="{method}" size=0'


def log(*entries: tuple[float, int, str]) -> Cluster:
    """A log with calls that ended some seconds ago, took some milliseconds, and had a method and path."""
    lines = [
        LINE.format(
            time=datetime.fromtimestamp(time.time() - ago, UTC).isoformat().replace("+00:00", "000Z"),
            ms=ms,
            method=method,
        )
        for ago, ms, method in entries
    ]
    kubectl = SimpleNamespace(run=lambda *_: "\n".join(["starting", *lines]))
    return cast("Cluster", SimpleNamespace(kubectl=kubectl))


@pytest.mark.parametrize(
    ("ago", "ms", "method", "found"),
    [
        (5.0, 0, "POST /v1.0/publish/a/b", 1),
        (5.0, 0, "GET /v1.0/metadata", 0),
        (5.0, 9000, "POST /v1.0/publish/a/b", 0),
        (15.0, 0, "POST /v1.0/publish/a/b", 0),
    ],
)
def test_a_call_counts_when_it_began_in_the_span(ago: float, ms: int, method: str, found: int) -> None:
    now = time.monotonic()
    assert len(calls(log((ago, ms, method)), POD, "POST /v1.0/publish/", now - 10, now)) == found
