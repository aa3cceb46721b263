"""What the sidecar counts, out of its metrics."""

from types import SimpleNamespace
from typing import cast

import pytest

from acceptance.harness.errors import NotYetError
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.reach import Counter

METRICS = """
# TYPE calls counter
calls{app_id="agent",operation="set",success="true"} 3
calls{app_id="agent",operation="set",success="false"} 2
calls{app_id="agent",operation="get",success="true"} 40
calls_latencies_count{app_id="agent",operation="set"} 100
"""


def counter(**labels: str) -> Counter:
    return counted_by(1, labels)


def counted_by(replicas: int, labels: dict[str, str]) -> Counter:
    api = cast("Api", SimpleNamespace(call=lambda *_: SimpleNamespace(text=METRICS)))
    return Counter(lambda: [api] * replicas, "calls", labels)


def test_it_adds_up_the_series_with_its_labels_and_no_others() -> None:
    assert counter(operation="set").value() == 5
    assert counter(operation="set", success="true").value() == 3
    assert counter(operation="delete").value() == 0


def test_it_adds_up_what_every_replica_counted() -> None:
    assert counted_by(3, {"operation": "set", "success": "true"}).value() == 9


def test_it_says_what_is_missing() -> None:
    counter(operation="get").require(40)
    with pytest.raises(NotYetError, match="is 40, not 41"):
        counter(operation="get").require(41)
