"""What was changed in the overlay, a password or a token too, reaches what runs."""

import json
from contextlib import nullcontext
from pathlib import Path

import pytest

from cluster import __main__ as command
from cluster.deploy import DEPLOYMENTS, STARTED_WITH
from cluster.paths import VERSIONS
from tests.cluster.conftest import StandIn

IMAGE = "0123456789ab"
# Both Secrets hold the same password; the token's Secret is at its version 2.
KUBECTL = """
case "$*" in
    *"get secret"*) echo c2VjcmV0 ;;
    *"get deployment"*) cat {started} ;;
    *"get components"*,secrets*) cat {objects} ;;
esac
"""


def secret(name: str, version: str) -> dict[str, object]:
    """A Secret as the API server has it."""
    return {"kind": "Secret", "metadata": {"name": name, "resourceVersion": version}}


@pytest.fixture
def applied(tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of kubectl while the overlay is applied once the token was changed."""
    before = {
        "image": IMAGE,
        "Dapr": VERSIONS["dapr"],
        "Secret/dapr-app-token": "1",
        "Secret/postgres-credentials": "1",
    }
    noted = {"metadata": {"annotations": {STARTED_WITH: json.dumps(before)}}}
    (tmp_path / "started").write_text(json.dumps(noted))
    objects = {"items": [secret("dapr-app-token", "2"), secret("postgres-credentials", "1")]}
    (tmp_path / "objects").write_text(json.dumps(objects))
    calls = stand_in("kubectl", KUBECTL.format(started=tmp_path / "started", objects=tmp_path / "objects"))
    monkeypatch.setenv("CLUSTER", "kind")
    monkeypatch.setattr("cluster.kind.reach", lambda: nullcontext("http://agent"))
    monkeypatch.setattr(command, "send_event", lambda _: None)
    command.apply(IMAGE)
    return calls.read_text().splitlines()


def test_a_changed_token_starts_app_and_sidecar_anew(applied: list[str]) -> None:
    for deployment in DEPLOYMENTS:
        assert [line for line in applied if line.endswith(f"rollout restart {deployment}")]
        (noted,) = (line for line in applied if f"annotate --overwrite {deployment}" in line)
        assert '"Secret/dapr-app-token": "2"' in noted


def test_the_database_takes_the_password_before_anybody_starts_with_it(applied: list[str]) -> None:
    order = [verb for line in applied for verb in ("apply", " exec ", "rollout restart") if verb in line]
    assert order[:3] == ["apply", " exec ", "rollout restart"]
