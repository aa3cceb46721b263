"""What was changed in the overlay, a password or a token too, reaches what runs."""

import json
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from cluster import __main__ as command
from cluster.deploy import DEPLOYMENTS, STARTED_WITH, send_event
from cluster.paths import VERSIONS
from tests.cluster.conftest import StandIn

IMAGE = "0123456789ab"
# Both Secrets hold the same password; the token's Secret is at its version 2.
KUBECTL = """
case "$*" in
    *"get secret"*) echo c2VjcmV0 ;;
    *"get deployment"*) {deployment} ;;
    *"get components"*,secrets*) cat {objects} ;;
esac
"""


def secret(name: str, version: str) -> dict[str, object]:
    """A Secret as the API server has it."""
    return {"kind": "Secret", "metadata": {"name": name, "resourceVersion": version}}


def apply(folder: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, deployment: str) -> list[str]:
    """Apply the overlay where the token's Secret is at its version 2; returns the calls of kubectl."""
    objects = {"items": [secret("dapr-app-token", "2"), secret("postgres-credentials", "1")]}
    (folder / "objects").write_text(json.dumps(objects))
    calls = stand_in("kubectl", KUBECTL.format(deployment=deployment, objects=folder / "objects"))
    monkeypatch.setenv("CLUSTER", "kind")
    monkeypatch.setattr("cluster.kind.reach", lambda: nullcontext("http://agent"))
    monkeypatch.setattr(command, "send_event", lambda _: None)
    command.apply(IMAGE)
    return calls.read_text().splitlines()


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
    return apply(tmp_path, stand_in, monkeypatch, f"cat {tmp_path / 'started'}")


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, list[str]]]:
    """The address of an agent, that leads nowhere when it is first asked, and the requests that came."""
    requests: list[str] = []

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requests.append(f"GET {self.path}")
            if len(requests) > 1:
                self.answer(b'{"status": "applied"}')

        def do_POST(self) -> None:
            requests.append(f"POST {self.path}")
            self.answer(b'{"id": "one"}')

        def answer(self, body: bytes) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setattr("cluster.waiting.INTERVAL_SECONDS", 0.01)
    with HTTPServer(("127.0.0.1", 0), Agent) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", requests
        server.shutdown()


def test_a_changed_token_starts_app_and_sidecar_anew(applied: list[str]) -> None:
    for deployment in DEPLOYMENTS:
        assert [line for line in applied if line.endswith(f"rollout restart {deployment}")]
        (noted,) = (line for line in applied if f"annotate --overwrite {deployment}" in line)
        assert '"Secret/dapr-app-token": "2"' in noted


def test_the_database_takes_the_password_before_anybody_starts_with_it(applied: list[str]) -> None:
    order = [verb for line in applied for verb in ("apply", " exec ", "rollout restart") if verb in line]
    assert order[:3] == ["apply", " exec ", "rollout restart"]


def test_what_was_made_just_now_is_not_started_twice(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = apply(tmp_path, stand_in, monkeypatch, ":")
    assert [line for line in calls if "annotate --overwrite" in line]
    assert not [line for line in calls if "rollout restart" in line]


def test_what_nobody_can_tell_the_age_of_is_started_anew(
    tmp_path: Path, stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = apply(tmp_path, stand_in, monkeypatch, "exit 1")
    assert len([line for line in calls if "rollout restart" in line]) == len(DEPLOYMENTS)


def test_the_first_event_waits_for_an_address_that_leads_to_the_agent(late: tuple[str, list[str]]) -> None:
    address, requests = late
    send_event(address)
    assert requests == ["GET /ready", "GET /ready", "POST /publish", "GET /events/one"]
