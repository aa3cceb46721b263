"""The sidecars' token: masked, switched on for a while, and taken back in any case."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from kubernetes import client

from acceptance.agent import names, tokens
from acceptance.agent.system import System
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.suite.masking import MASK, Masking
from acceptance.harness.waiting import Waiting
from acceptance.scenarios.test_tokens import asking

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
        assert (namespace, name) == ("fastapi-app", tokens.ASKS)
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
    assert tokens.read(Secrets("hunter2").as_system(), masking, APP_TOKEN) == "hunter2"
    assert masking.mask("the value hunter2") == f"the value {MASK}"


def test_without_the_secret_there_is_no_token() -> None:
    assert tokens.read(Secrets().as_system(), Masking(), APP_TOKEN) == ""


def test_a_secret_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(client.ApiException):
        tokens.read(Secrets(status=403).as_system(), Masking(), APP_TOKEN)


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
