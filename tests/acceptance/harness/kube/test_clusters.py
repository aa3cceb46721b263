"""The user's kubeconfig is never written nor deleted; what a run did not create is not removed."""

import hashlib
import json
import os
import re
import stat
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from pytest_kubernetes.providers import select_provider_manager  # type: ignore[import-untyped]  # ships no types

from acceptance.agent import names, overlay
from acceptance.agent.overlay import MAKE_UP_CONTEXTS
from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError, UndoIncompleteError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.kube import kubectl as kubectl_module
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.kubeconfig import private_copy
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.suite.environment import require_disk

USUAL = tuple(MAKE_UP_CONTEXTS)
MINIFIED = """
current-context: kind-fastapi-dapr-agent
contexts: [{name: kind-fastapi-dapr-agent, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: hunter2}}]
"""
KUBECONFIG = MINIFIED + "# the rest: another's token"
# config view [--minify ...]: what kubectl makes of the user's file.
KUBECTL = """
[ "$1" = config ] || exit 0
case "$*" in *--minify*) sed '/^# the rest/d' {file} ;; *) cat {file} ;; esac
"""


def executable(file: Path, script: str) -> None:
    """A stand-in for a program on PATH."""
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IEXEC)


@pytest.fixture
def users_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's kubeconfig, a kubectl that shows it and answers for its cluster, and an engine that does not run."""
    file = tmp_path / "config"
    file.write_text(KUBECONFIG)
    executable(tmp_path / "kubectl", KUBECTL.format(file=file))
    executable(tmp_path / "docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def test_a_run_works_on_a_private_copy_and_leaves_the_users_file_as_it_is(users_kubeconfig: Path) -> None:
    before = hashlib.sha256(users_kubeconfig.read_bytes()).hexdigest()
    with private_copy(None, USUAL) as kubectl:
        copy = kubectl.kubeconfig
        assert copy != users_kubeconfig
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.exists()
    assert hashlib.sha256(users_kubeconfig.read_bytes()).hexdigest() == before


@pytest.mark.usefixtures("users_kubeconfig")
def test_the_private_copy_holds_one_context_and_its_credentials_only() -> None:
    with private_copy(None, USUAL) as kubectl:
        assert yaml.safe_load(kubectl.kubeconfig.read_text()) == yaml.safe_load(MINIFIED)


def test_a_context_without_its_cluster_is_named(users_kubeconfig: Path, tmp_path: Path) -> None:
    cannot = "case $* in *--minify*) echo 'error: cannot locate cluster c' >&2; exit 1 ;; esac"
    executable(tmp_path / "kubectl", f"{cannot}\ncat {users_kubeconfig}")
    with pytest.raises(EnvironmentNotReadyError, match="cannot locate cluster c"), private_copy(None, USUAL):
        pass
    users_kubeconfig.write_text(re.sub("clusters:.*", "clusters: null", MINIFIED))
    executable(tmp_path / "kubectl", f"cat {users_kubeconfig}")
    with pytest.raises(EnvironmentNotReadyError, match="names no cluster"), private_copy(None, USUAL):
        pass


@pytest.mark.usefixtures("users_kubeconfig")
def test_a_kubectl_that_does_not_answer_is_the_environments_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executable(tmp_path / "kubectl", "exec sleep 10")
    monkeypatch.setattr(kubectl_module, "ANSWERED_S", 0.1)
    with (
        pytest.raises(EnvironmentNotReadyError, match="kubectl config view: no answer"),
        private_copy(None, USUAL),
    ):
        pass


def test_the_plugin_deletes_a_kubeconfig_that_it_is_given(users_kubeconfig: Path, tmp_path: Path) -> None:
    """Why it only ever gets a copy; when this fails, the plugin has mended its ways."""
    copy = tmp_path / "copy"
    copy.write_text(users_kubeconfig.read_text())
    manager = select_provider_manager("external", {"kubeconfig": str(copy)})(kubeconfig=copy)
    manager.delete()
    assert not copy.exists()
    assert users_kubeconfig.exists()


def test_a_cluster_that_is_not_local_has_to_be_named(users_kubeconfig: Path) -> None:
    users_kubeconfig.write_text(MINIFIED.replace("127.0.0.1", "192.0.2.1"))
    with (
        pytest.raises(EnvironmentNotReadyError, match="has to be named; --acceptance-context NAME"),
        private_copy(None, USUAL),
    ):
        pass
    with private_copy("kind-fastapi-dapr-agent") as kubectl:
        assert kubectl.context == "kind-fastapi-dapr-agent"


@pytest.mark.parametrize(("running", "is_spared"), [("172.18.0.2/16", True), ("172.18.0.3/16", False)])
def test_a_cluster_on_this_machine_is_reached_without_a_proxy(
    users_kubeconfig: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    running: str,
    is_spared: bool,  # noqa: FBT001 -- data
) -> None:
    users_kubeconfig.write_text(MINIFIED.replace("127.0.0.1", "172.18.0.2"))
    executable(tmp_path / "docker", f"echo {running}")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("no_proxy", "")
    with private_copy("kind-fastapi-dapr-agent"):
        assert ("172.18.0.2" in os.environ["NO_PROXY"].split(",")) == is_spared


NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "b"}}
DEPLOYMENT = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}}
SAME = "diff -u -N /tmp/LIVE-1/apps.v1.Deployment.b.a /tmp/MERGED-1/apps.v1.Deployment.b.a\n+ spec: {}"


@dataclass
class Applying:
    """A kubectl whose cluster has the namespace of an overlay, and not its Deployment."""

    differs: str = SAME
    refused: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    removed: list[Any] = field(default_factory=list)
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        self.journal = Journal({}, {"remove": self.remove})

    def run(self, verb: str, *_: str, timeout_s: float = 30) -> str:
        """Answer what is asked for, remember what is done."""
        assert timeout_s
        if verb in self.refused:
            raise KubectlError(f"{verb} is refused")
        if verb not in {"get", "kustomize"}:
            self.done.append(verb)
        return yaml.safe_dump_all([NAMESPACE, DEPLOYMENT]) if verb == "kustomize" else json.dumps(NAMESPACE)

    def diff(self, *_: str, timeout_s: float) -> str:
        """What the overlay would change."""
        assert timeout_s
        return self.differs

    def remove(self, objects: list[Any]) -> None:
        """Remember what was removed."""
        if "remove" in self.refused:
            raise KubectlError("delete is refused")
        self.removed += objects

    def applied(self, *, keep: bool = False) -> AbstractContextManager[None]:
        """The overlay, for the length of a block."""
        return overlay.applied(cast("Kubectl", self), self.journal, "kind", names.load(), lambda: keep)


@pytest.mark.parametrize(("keep", "removed"), [(False, [DEPLOYMENT]), (True, [])])
def test_only_what_the_run_created_is_removed(keep: bool, removed: list[Any]) -> None:  # noqa: FBT001 -- data
    applying = Applying()
    with applying.applied(keep=keep):
        assert applying.journal.open_entries()
    assert applying.removed == removed
    assert not applying.journal.open_entries()


def test_what_an_overlay_created_before_it_was_refused_is_removed() -> None:
    applying = Applying(refused={"apply"})
    with pytest.raises(EnvironmentNotReadyError, match="apply is refused"):
        applying.applied().__enter__()
    assert applying.removed == [DEPLOYMENT]


def test_an_overlay_that_would_change_what_is_there_is_refused() -> None:
    applying = Applying(differs=SAME.replace("apps.v1.Deployment.b.a", "v1.Namespace..b"))
    with pytest.raises(EnvironmentNotReadyError, match=r"would change what is there.*: Namespace b;"):
        applying.applied().__enter__()
    assert applying.done == []


def test_an_overlay_that_cannot_be_looked_up_is_the_environments_fault() -> None:
    with pytest.raises(EnvironmentNotReadyError, match="get is refused"):
        Applying(refused={"get"}).applied().__enter__()


def test_what_could_not_be_removed_is_named() -> None:
    applying = Applying(refused={"remove"})
    with pytest.raises(UndoIncompleteError, match=r"'name': 'a'.*delete is refused"), applying.applied():
        pass


def nodes(answer: str) -> Cluster:
    """A cluster that answers the question for its nodes so."""
    return cast("Cluster", SimpleNamespace(kubectl=SimpleNamespace(run=lambda *_: answer)))


def test_a_node_out_of_disk_is_named() -> None:
    require_disk(nodes("one False\ntwo \n"))
    with pytest.raises(EnvironmentNotReadyError, match="node three reports DiskPressure"):
        require_disk(nodes("one False\nthree True\n"))


def test_who_may_not_look_at_nodes_may_run_the_suite() -> None:
    said = 'Error from server (Forbidden): nodes is forbidden: User "a" cannot list resource "nodes"'

    def refuse(*_: object) -> str:
        raise KubectlError(said)

    cluster = cast("Cluster", SimpleNamespace(kubectl=SimpleNamespace(run=refuse)))
    require_disk(cluster)
    said = "get is refused"
    with pytest.raises(EnvironmentNotReadyError, match="nodes cannot be listed: get is refused"):
        require_disk(cluster)
