"""Each thing that can stand in the way is found, in a line that says what to do."""

import socket
import sys
from inspect import isfunction
from pathlib import Path

import pytest

from cluster import __main__ as command
from cluster import debian, doctor, engine, images, kind
from cluster.console import SurroundingsError
from cluster.lock import only_one
from tests.cluster.conftest import StandIn

NO_ENGINE = "exit 1"


@pytest.fixture(autouse=True)
def _local_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "are_local", lambda: True)


def test_a_python_without_venv_is_named_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "CHECKS", (doctor.venv,))
    assert command.main(["doctor"]) == 0
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    assert command.main(["doctor"]) == 10
    told = capsys.readouterr().err
    assert f"apt-get install python{sys.version_info.major}.{sys.version_info.minor}-venv" in told
    assert "make PYTHON=" in told


def test_every_check_of_the_doctor_is_made() -> None:
    checks = {name for name, one in vars(doctor).items() if isfunction(one) and one.__module__ == doctor.__name__} - {
        "problems"
    }
    assert {check.__name__ for check in doctor.CHECKS} == checks


def test_too_little_memory_says_how_much_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "MEMORY_GIB", 10**6)
    assert "1000000 GiB of memory are needed" in str(doctor.memory())


def test_too_little_disk_says_where_and_how_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DISK_WARM_GIB", 10**6)
    monkeypatch.setattr(doctor, "DISK_COLD_GIB", 10**6)
    assert "1000000 GiB of free disk are needed at /" in str(doctor.disk())


def test_a_port_of_somebody_else_is_named(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in("docker", NO_ENGINE)
    stand_in("pidof", "exit 1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(kind, "PORT", listener.getsockname()[1])
        assert f"port {kind.PORT} of 127.0.0.1 is taken" in str(doctor.port())
    assert doctor.port() is None


def test_a_port_that_a_stopping_engine_may_hold_is_not_in_the_way(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in("docker", "exit 1")
    stand_in("pidof", "echo 1")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(kind, "PORT", listener.getsockname()[1])
        assert doctor.port() is None


def test_our_own_port_is_not_in_the_way(stand_in: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        monkeypatch.setattr(kind, "PORT", listener.getsockname()[1])
        stand_in("docker", f"echo '30080/tcp -> 127.0.0.1:{kind.PORT}'")
        assert doctor.port() is None


def test_a_cluster_that_is_not_ours_is_named(stand_in: StandIn) -> None:
    stand_in("docker", "echo 0123456789ab")
    stand_in("kubectl", "exit 0")
    assert "this project did not make the kind cluster fastapi-dapr-agent" in str(doctor.cluster_name())


def test_a_half_made_cluster_of_ours_is_known(stand_in: StandIn) -> None:
    stand_in("docker", "echo 0123456789ab")
    stand_in("kubectl", "exit 1")
    kind.OWNED.parent.mkdir()
    kind.OWNED.write_text("creating")
    assert doctor.cluster_name() is None


def test_missing_builders_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert "go (Go 1.26 or newer), mvn (Maven with a JDK)" in str(doctor.builders())


def test_no_engine_and_no_debian_ends_with_exit_code_10(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in("docker", NO_ENGINE)
    (tmp_path / "os-release").write_text("ID=fedora\n")
    monkeypatch.setattr(debian, "OS_RELEASE", tmp_path / "os-release")
    assert command.main(["up"]) == 10
    assert "no Docker engine answers" in capsys.readouterr().err
    assert not engine.answers()


def test_an_unknown_source_of_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    images.are_local.cache_clear()
    monkeypatch.setenv("IMAGES", "elsewhere")
    with pytest.raises(SurroundingsError, match="IMAGES=elsewhere"):
        images.are_local()


def test_an_unknown_cluster_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CLUSTER", "moon")
    assert command.main(["down"]) == 10
    assert "CLUSTER=moon: must be one of kind, minikube" in capsys.readouterr().err


def test_two_commands_at_once_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with only_one("cluster"):
        assert command.main(["doctor"]) == 10
    assert "another command is at work on the cluster" in capsys.readouterr().err
