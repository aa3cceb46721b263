"""Dapr's control plane, the calls in a sidecar's log, the tokens, and what a port says."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from kubernetes import client

from acceptance.agent import dapr, names
from acceptance.agent.dapr import REQUIRED, absent_of_control_plane, calls, first_answer
from acceptance.agent.system import System
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.suite.artifacts import MASK, Masking
from acceptance.harness.waiting import Waiting
from acceptance.scenarios.test_tokens import asking
from tests.acceptance.fakes import POD

PLACEMENT = "dapr-placement-server"
SCHEDULER = "dapr-scheduler-server"
TOLD = ["--placement-host-address", f"{PLACEMENT}.dapr-system.svc.cluster.local:50005"]
OF_THREE = ",".join(f" {SCHEDULER}-{one}.dapr-system.svc:50006" for one in "abc")


@pytest.mark.parametrize(
    ("workloads", "arguments", "gone"),
    [
        (REQUIRED, [], []),
        (REQUIRED, ["--scheduler-host-address", "", "--mode", "kubernetes"], []),
        (REQUIRED, ["--scheduler-host-address"], []),
        (REQUIRED[1:], [], ["dapr-operator"]),
        ((), [], sorted(REQUIRED)),
        (REQUIRED, TOLD, [PLACEMENT]),
        (REQUIRED, ["=".join(TOLD)], [PLACEMENT]),
        ((*REQUIRED, PLACEMENT), TOLD, []),
        ((*REQUIRED, f"{PLACEMENT}-of-old"), TOLD, [PLACEMENT]),
        ((*REQUIRED, SCHEDULER), ["--scheduler-host-address", OF_THREE], []),
        (REQUIRED, ["--scheduler-host-address", OF_THREE], [f"{SCHEDULER}-{one}" for one in "abc"]),
        (REQUIRED, ["--placement-host-address", f"{PLACEMENT}:50005"], [PLACEMENT]),
    ],
)
def test_what_a_sidecar_is_told_to_use_has_to_exist(
    workloads: tuple[str, ...], arguments: list[str], gone: list[str]
) -> None:
    assert absent_of_control_plane(workloads, arguments) == gone


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


SETTINGS = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
# A TLS alert record: handshake_failure.
ALERT = bytes([21, 3, 3, 0, 2, 2, 40])


@pytest.fixture
def answering(request: pytest.FixtureRequest) -> Iterator[str]:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for _ in range(2):
            connection, _ = server.accept()
            with connection:
                connection.recv(64)
                connection.sendall(request.param)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.getsockname()[1]}"
    thread.join(timeout=5)
    server.close()


@pytest.mark.parametrize("answering", [SETTINGS], indirect=True)
def test_a_port_that_goes_on_in_plaintext_is_seen(answering: str) -> None:
    answer = first_answer(answering)
    assert answer.plaintext_http2
    assert not answer.tls


@pytest.mark.parametrize("answering", [ALERT], indirect=True)
def test_a_port_that_insists_on_tls_is_seen(answering: str) -> None:
    answer = first_answer(answering)
    assert not answer.plaintext_http2
    assert answer.tls


NAMES = names.load()
APP_TOKEN = NAMES.secrets.app_token
ON = ["create", "fastapi-dapr-agent dapr-api-token", "fastapi-dapr-caller dapr-api-token"]
OFF = ["fastapi-dapr-caller None", "fastapi-dapr-agent None", "delete dapr-api-token"]


@dataclass
class Secrets:
    """A cluster that has one Secret, or none; writes down what is done to it."""

    token: str = ""
    status: int = 404
    done: list[str] = field(default_factory=list)

    @property
    def kubectl(self) -> "Secrets":
        """The same in kubectl's place."""
        return self

    def secret(self, *_: str) -> str:
        """The token."""
        if self.token:
            return self.token
        raise client.ApiException(self.status)

    def run(self, verb: str, *_: str, stdin: str) -> None:
        """Write down a call of kubectl."""
        self.done.append(verb)
        self.token = stdin

    def annotate_pods(self, *, namespace: str, reference: str, name: str, value: str | None) -> None:
        """Write down an annotation."""
        assert (namespace, name) == ("fastapi-app", dapr.ASKS)
        self.done.append(f"{reference.removeprefix('deployment/')} {value}")

    def delete_secret(self, *, namespace: str, name: str) -> None:
        """Write down that a Secret was deleted."""
        assert namespace == "fastapi-app"
        self.done.append(f"delete {name}")

    def as_system(self) -> System:
        """The system on it."""
        return System(cast("Cluster", self), Waiting(), NAMES)


@contextmanager
def asked(cluster: Secrets, masking: Masking, kept: dict[str, str]) -> Iterator[str]:
    undo: dict[str, Any] = {"annotate": cluster.annotate_pods, "delete secret": cluster.delete_secret}
    journal = Journal(kept, undo)
    with asking(cluster.as_system(), journal, masking) as token:
        yield token
    assert journal.open_entries() == {}


def test_a_token_is_masked_from_the_moment_it_is_read() -> None:
    masking = Masking()
    assert dapr.read_token(Secrets("hunter2").as_system(), masking, APP_TOKEN) == "hunter2"
    assert masking.mask("the value hunter2") == f"the value {MASK}"


def test_without_the_secret_there_is_no_token() -> None:
    assert dapr.read_token(Secrets().as_system(), Masking(), APP_TOKEN) == ""


def test_a_secret_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(client.ApiException):
        dapr.read_token(Secrets(status=403).as_system(), Masking(), APP_TOKEN)


def test_both_sidecars_ask_and_all_is_taken_back_in_turn() -> None:
    cluster, masking, kept = Secrets(), Masking(), dict[str, str]()
    with asked(cluster, masking, kept) as token:
        assert cluster.done == ON
        assert masking.mask(token) == MASK
        assert kept
        assert token not in str(kept)
    assert cluster.done == ON + OFF


def test_it_is_taken_back_whatever_happens() -> None:
    cluster = Secrets()
    with pytest.raises(KeyboardInterrupt), asked(cluster, Masking(), {}):
        raise KeyboardInterrupt
    assert cluster.done == ON + OFF


def test_a_system_that_asks_already_is_left_as_it_is() -> None:
    cluster = Secrets("its-own")
    with asked(cluster, Masking(), {}) as token:
        assert token == "its-own"
    assert cluster.done == []
