"""Creating a cluster through pytest-kubernetes, against a stand-in kind."""

import os
import stat
from pathlib import Path

import pytest

from acceptance.harness import creation
from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError

KIND = """#!/bin/sh
echo "$@" >> {log}
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
    for name, text in (("kind", KIND.format(log=tmp_path / "log", broken=tmp_path / "broken")), ("kubectl", KUBECTL)):
        binary = tmp_path / name
        binary.write_text(text)
        binary.chmod(binary.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("KUBECONFIG", "the user's own")
    monkeypatch.setattr("pytest_kubernetes.providers.base.sleep", lambda _: None)
    monkeypatch.setattr("cluster.images.are_local", lambda: True)
    monkeypatch.setattr("cluster.images.make", lambda *_: None)
    monkeypatch.setattr("cluster.agent_image.build", lambda: None)
    monkeypatch.setattr("cluster.dapr.ensure", lambda _: None)
    return tmp_path


def asked(machine: Path) -> list[str]:
    """The verbs that kind was called with."""
    return [" ".join(line.split()[:2]) for line in (machine / "log").read_text().splitlines()]


def test_a_cluster_is_made_filled_and_removed(machine: Path) -> None:
    with creation.created("kind", lambda: False) as kubectl:
        assert kubectl.context == "kind-new"
        assert asked(machine)[0] == "create cluster"
        assert "load docker-image" in asked(machine)
        assert os.environ["KUBECONFIG"] == "the user's own"
    assert asked(machine)[-1] == "delete cluster"
    assert not kubectl.kubeconfig.exists()


def test_a_cluster_is_kept_when_it_is_asked_for(machine: Path) -> None:
    with creation.created("kind", lambda: True):
        pass
    assert "delete cluster" not in asked(machine)


def test_a_cluster_that_cannot_be_made_is_the_environments_fault(machine: Path) -> None:
    (machine / "broken").touch()
    with pytest.raises(EnvironmentNotReadyError, match="a kind cluster could not be made"):
        creation.created("kind", lambda: True).__enter__()
    assert os.environ["KUBECONFIG"] == "the user's own"


def test_a_cluster_that_cannot_be_removed_is_an_undo_that_is_incomplete(machine: Path) -> None:
    with pytest.raises(UndoIncompleteError, match="could not be removed"), creation.created("kind", lambda: False):
        (machine / "broken").touch()
