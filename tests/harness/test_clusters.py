"""The user's kubeconfig is never written nor deleted; what a run did not create is not removed."""

import hashlib
import json
import stat
from pathlib import Path

import pytest
from pytest_kubernetes.providers import select_provider_manager  # type: ignore[import-untyped]  # ships no types

from acceptance.harness import overlay
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kubeconfig import private_copy
from acceptance.harness.kubectl import Kubectl

KUBECONFIG = """
current-context: kind-fastapi-dapr-agent
contexts: [{name: kind-fastapi-dapr-agent, context: {cluster: c, user: u}}]
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
users: [{name: u, user: {token: hunter2}}]
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
    executable(tmp_path / "kubectl", f'[ "$1" = config ] && cat {file}\nexit 0')
    executable(tmp_path / "docker", "echo Cannot connect to the Docker daemon >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", str(file))
    return file


def test_a_run_works_on_a_private_copy_and_leaves_the_users_file_as_it_is(users_kubeconfig: Path) -> None:
    before = hashlib.sha256(users_kubeconfig.read_bytes()).hexdigest()
    with private_copy("auto", None) as kubectl:
        copy = kubectl.kubeconfig
        assert copy != users_kubeconfig
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert not copy.exists()
    assert hashlib.sha256(users_kubeconfig.read_bytes()).hexdigest() == before


def test_the_plugin_deletes_a_kubeconfig_that_it_is_given(users_kubeconfig: Path, tmp_path: Path) -> None:
    """Why it only ever gets a copy; when this fails, the plugin has mended its ways."""
    copy = tmp_path / "copy"
    copy.write_text(users_kubeconfig.read_text())
    manager = select_provider_manager("external", {"kubeconfig": str(copy)})(kubeconfig=copy)
    manager.delete()
    assert not copy.exists()
    assert users_kubeconfig.exists()


def test_a_cluster_that_is_not_local_has_to_be_named(users_kubeconfig: Path) -> None:
    users_kubeconfig.write_text(KUBECONFIG.replace("127.0.0.1", "192.0.2.1"))
    with pytest.raises(EnvironmentNotReadyError, match="--context kind-fastapi-dapr-agent"), private_copy("auto", None):
        pass
    with private_copy("auto", "kind-fastapi-dapr-agent") as kubectl:
        assert kubectl.context == "kind-fastapi-dapr-agent"


class Applying(Kubectl):
    """A kubectl whose cluster has the namespace before, and the Deployment only after it was applied."""

    def run(self, *arguments: str, stdin: str | None = None, timeout_s: float = 30) -> str:
        """Answer `get`, remember what else was asked."""
        done: list[str] = self.__dict__.setdefault("done", [])
        if arguments[0] != "get":
            done.append(f"{arguments[0]} {stdin or ''} {timeout_s:.0f}")
            return ""
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "fastapi-app"}}
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "namespace": "b"}}
        return json.dumps({"items": [namespace, deployment] if done else [namespace]})


@pytest.mark.parametrize(("keep", "deletes"), [(False, 1), (True, 0)])
def test_only_what_the_run_created_is_removed(tmp_path: Path, keep: bool, deletes: int) -> None:  # noqa: FBT001 -- data
    kubectl = Applying(tmp_path, "context")
    with overlay.applied(kubectl, "kind", lambda: keep):
        pass
    deleted = [one for one in kubectl.__dict__["done"] if one.startswith("delete")]
    assert len(deleted) == deletes
    assert not [one for one in deleted if "Namespace" in one]


def test_an_overlay_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="no overlay 'production': existing-backends"):
        overlay.applied(Applying(tmp_path, "context"), "production", lambda: False).__enter__()
