"""Pods and workloads are read from the API's own."""

from dataclasses import replace

import pytest
from kubernetes import client

from acceptance.harness.kube import objects
from tests.acceptance.fakes import OPERATOR, POD


@pytest.mark.parametrize("phase", ["Pending", "Running", "Unknown", "Succeeded", "Failed"])
def test_a_pod_that_was_evicted_or_completed_is_over(phase: str) -> None:
    is_over = objects.is_over(client.V1Pod(status=client.V1PodStatus(phase=phase)))
    assert is_over == (phase in {"Succeeded", "Failed"})
    assert not objects.is_over(client.V1Pod())


def test_an_address_of_ipv6_stands_in_brackets() -> None:
    assert POD.host == "10.0.0.1"
    assert replace(POD, ip="fd00::7").host == "[fd00::7]"


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("ghcr.io/dapr/sidecar-injector:1.18.2", "1.18.2"),
        ("registry:5000/dapr/sidecar-injector:1.18.2-mariner@sha256:abc", "1.18.2-mariner"),
        ("registry:5000/dapr/sidecar-injector@sha256:abc", "of the label"),
    ],
)
def test_a_version_is_the_tags_or_of_a_digest_the_labels(image: str, version: str) -> None:
    injector = replace(OPERATOR, image=image, labels={"app.kubernetes.io/version": "of the label"})
    assert injector.version == version
