"""Creating a cluster through pytest-kubernetes, against a stand-in kind."""

import os
import stat
from pathlib import Path

import pytest

from acceptance.agent import deployment
from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError

KIND = """#!/bin/sh
echo "$@" >> {log}
[ "$1" = get ] && cat {clusters} && exit 0
[ -e {broken} ] && exit 1
while [ $# -gt 0 ]; do
    [ "$1" = --kubeconfig ] && echo "current-context: kind-new" > "$2"
    shift
done
exit 0
"""
# kubectl --kubeconfig FILE ...: the cluster answers once kind has written its kubeconfig.
KUBECTL = '#!/bin/sh\n[ -e "$2" ] || exit 1\necho "readyz check passed"\n'


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose kind writes down what it is asked, and nothing is built or installed."""
    files = {name: tmp_path / name for name in ("log", "clusters", "broken")}
    files["clusters"].write_text("fastapi-dapr-agent\n")
    for name, text in (("kind", KIND.format(**files)), ("kubectl", KUBECTL)):
        binary = tmp_path / name
        binary.write_text(text)
        binary.chmod(binary.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", "the user's own")
    monkeypatch.setattr("pytest_kubernetes.providers.base.sleep", lambda _: None)
    monkeypatch.setattr("cluster.images.are_local", lambda: True)
    monkeypatch.setattr("cluster.images.make", lambda *_: None)
    monkeypatch.setattr("cluster.python_images.build", dict)
    monkeypatch.setattr("cluster.dapr.ensure", lambda _: None)
    return tmp_path


def asked(machine: Path) -> list[str]:
    """The verbs that kind was called with."""
    return [" ".join(line.split()[:2]) for line in (machine / "log").read_text().splitlines()]


def test_a_cluster_is_made_filled_and_removed(machine: Path) -> None:
    with deployment.created("kind", lambda: False) as kubectl:
        assert kubectl.context == "kind-new"
        assert asked(machine)[:2] == ["get clusters", "create cluster"]
        assert "load docker-image" in asked(machine)
        assert os.environ["KUBECONFIG"] == "the user's own"
    assert asked(machine)[-1] == "delete cluster"
    assert not kubectl.kubeconfig.exists()


def test_a_cluster_is_kept_when_it_is_asked_for(machine: Path) -> None:
    with deployment.created("kind", lambda: True):
        pass
    assert "delete cluster" not in asked(machine)


def test_a_cluster_that_is_there_already_is_neither_used_nor_removed(machine: Path) -> None:
    with (machine / "clusters").open("a") as clusters:
        clusters.write(f"{deployment.NAME}\n")
    with pytest.raises(EnvironmentNotReadyError, match="kind delete cluster --name pytest-fastapi-dapr-agent"):
        deployment.created("kind", lambda: False).__enter__()
    assert asked(machine) == ["get clusters"]


def test_a_provider_that_is_not_installed_is_named(machine: Path) -> None:
    (machine / "kind").unlink()
    with pytest.raises(EnvironmentNotReadyError, match="kind is not on PATH"):
        deployment.created("kind", lambda: False).__enter__()


def test_a_cluster_that_cannot_be_made_is_the_environments_fault(machine: Path) -> None:
    (machine / "broken").touch()
    with pytest.raises(EnvironmentNotReadyError, match="a kind cluster could not be made"):
        deployment.created("kind", lambda: True).__enter__()
    assert os.environ["KUBECONFIG"] == "the user's own"


def test_a_cluster_that_cannot_be_removed_is_an_undo_that_is_incomplete(machine: Path) -> None:
    with pytest.raises(UndoIncompleteError, match="could not be removed"), deployment.created("kind", lambda: False):
        (machine / "broken").touch()
