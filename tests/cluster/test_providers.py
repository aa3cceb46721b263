"""kind and minikube are driven by the commands their users would type."""

import pytest

from cluster import context, images, kind, minikube
from tests.cluster.conftest import StandIn


@pytest.fixture(autouse=True)
def _local_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "are_local", lambda: True)


def test_minikube_is_started_filled_and_deleted_by_profile(stand_in: StandIn) -> None:
    calls = stand_in("minikube", 'case "$1" in status) exit 85;; esac')
    minikube.ensure()
    minikube.load(["fastapi-dapr-agent:latest"], "key")
    minikube.delete()
    assert [line.split()[0] for line in calls.read_text().splitlines()] == [
        "status",
        "start",
        "image",
        "version",
        "delete",
    ]
    assert "image load --profile fastapi-dapr-agent --overwrite=true fastapi-dapr-agent:latest" in calls.read_text()
    assert "--kubernetes-version=v1.34.4" in calls.read_text()


def test_a_running_minikube_is_left_alone(stand_in: StandIn) -> None:
    calls = stand_in("minikube")
    minikube.ensure()
    assert "start" not in calls.read_text()


@pytest.mark.parametrize("is_new", [True, False], ids=["made", "there already"])
def test_what_is_meant_for_a_service_or_a_pod_does_not_leave_the_node(stand_in: StandIn, *, is_new: bool) -> None:
    kind.OWNED.parent.mkdir(exist_ok=True)
    calls = stand_in("docker", f'case "$*" in *inspect*) [ {int(is_new)} = 1 ] && exit 1; echo 0123456789ab;; esac')
    stand_in("kubectl", "echo 2026-11-29T00:00:00Z")  # whatever is asked of it: renewed since the node started
    stand_in("kind")
    kind.ensure()
    for subnet in kind.SUBNETS:
        assert subnet in calls.read_text()


def test_an_image_is_loaded_once_per_content(stand_in: StandIn) -> None:
    stand_in("docker", "echo 0123456789ab")
    calls = stand_in("kind")
    kind.OWNED.parent.mkdir()
    kind.load(["agent:latest"], "first")
    kind.load(["agent:latest"], "first")
    kind.load(["agent:latest"], "second")
    assert len(calls.read_text().splitlines()) == 2


@pytest.mark.parametrize(("others", "removed"), [("0", True), ("1", False)])
def test_the_network_goes_only_when_nobody_else_is_on_it(stand_in: StandIn, others: str, *, removed: bool) -> None:
    calls = stand_in("docker", f'case "$*" in inspect*) exit 1;; "network inspect"*) echo {others};; esac')
    stand_in("kind")
    kind.delete()
    assert ("network rm kind" in calls.read_text()) == removed


def test_the_former_context_is_given_back(stand_in: StandIn) -> None:
    calls = stand_in("kubectl", 'case "$*" in *current-context) echo work;; esac')
    context.remember()
    context.restore()
    assert calls.read_text().splitlines()[-1] == "config use-context work"


def test_images_are_removed_before_those_that_they_are_made_of(stand_in: StandIn) -> None:
    calls = stand_in("docker", 'case "$1" in images) printf "%s\\n" ccc bbb ccc aaa;; esac')
    images.remove()
    assert calls.read_text().splitlines()[-1] == "rmi --force ccc bbb aaa"
