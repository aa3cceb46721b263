"""Which cluster a run may touch."""

from typing import Any

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kubeconfig import choose_context, is_local, server_of

KNOWN: dict[str, Any] = {
    "current-context": "production",
    "contexts": [
        {"name": "production", "context": {"cluster": "far"}},
        {"name": "kind-fastapi-dapr-agent", "context": {"cluster": "near"}},
    ],
    "clusters": [
        {"name": "far", "cluster": {"server": "https://production.example:6443"}},
        {"name": "near", "cluster": {"server": "https://127.0.0.1:33889"}},
    ],
}


@pytest.mark.parametrize(
    ("cluster", "context", "chosen"),
    [
        ("auto", None, "kind-fastapi-dapr-agent"),
        ("current", None, "production"),
        ("auto", "production", "production"),
    ],
)
def test_context_that_is_used(cluster: str, context: str | None, chosen: str) -> None:
    assert choose_context(cluster, context, KNOWN) == chosen


@pytest.mark.parametrize(("cluster", "context"), [("auto", "absent"), ("current", None), ("auto", None)])
def test_context_that_does_not_exist_is_named(cluster: str, context: str | None) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="no context"):
        choose_context(cluster, context, {"contexts": []})


def test_server_of_a_context() -> None:
    assert server_of("production", KNOWN) == "https://production.example:6443"


@pytest.mark.parametrize(
    ("server", "local"),
    [
        ("https://127.0.0.1:33889", True),
        ("https://[::1]:6443", True),
        ("https://localhost:6443", True),
        ("https://172.18.0.2:6443", True),
        ("https://172.18.0.3:6443", False),
        ("https://production.example:6443", False),
        ("https://127.0.0.1.example:6443", False),
        ("not an address", False),
    ],
)
def test_only_loopback_and_containers_of_this_machine_are_local(server: str, local: bool) -> None:  # noqa: FBT001 -- data
    assert is_local(server, {"172.18.0.2"}) is local
