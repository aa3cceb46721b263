"""Signals from the node, against a stand-in docker."""

import stat
from pathlib import Path

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube.node import Node

CONTAINER = "0123456789abcdef"
# docker exec NODE sh -c SCRIPT: the script runs here, on what looks like the node's /proc and /sys/fs/cgroup.
DOCKER = """#!/bin/sh
[ "$2" = node ] || { echo "no such container" >&2; exit 1; }
exec sh -c "$(printf '%s' "$5" | sed "s|/proc|$PROC|g; s|/sys/fs/cgroup|$CGROUP|g")"
"""


@pytest.fixture(autouse=True)
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = tmp_path / "docker"
    docker.write_text(DOCKER)
    docker.chmod(docker.stat().st_mode | stat.S_IEXEC)
    proc = tmp_path / "proc"
    for pid, container, state in (("11", CONTAINER, "T"), ("12", CONTAINER, "S"), ("13", "f" * 16, "R")):
        (proc / pid).mkdir(parents=True)
        (proc / pid / "cgroup").write_text(f"0::/kubepods/cri-containerd-{container}.scope\n")
        (proc / pid / "stat").write_text(f"{pid} (a (strange) name) {state} 1 1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PROC", str(proc))
    counters = {"unified": "usage_usec 700\nuser_usec 500\n", "cpu": "nr_periods 9\nnr_throttled 4\n"}
    for version, lines in counters.items():
        group = tmp_path / "cgroup" / version / "pods" / f"cri-containerd-{CONTAINER}.scope"
        group.mkdir(parents=True)
        (group / "cpu.stat").write_text(lines)
    monkeypatch.setenv("CGROUP", str(tmp_path / "cgroup"))


def test_a_node_that_cannot_be_entered_is_known() -> None:
    assert not Node("elsewhere").reachable(CONTAINER)
    with pytest.raises(EnvironmentNotReadyError, match="no such container"):
        Node("elsewhere").pids(CONTAINER)


def test_a_container_with_the_nodes_name_that_does_not_hold_what_is_to_be_hit_is_another() -> None:
    assert Node("node").reachable(CONTAINER)
    assert not Node("node").reachable("e" * 16)


def test_processes_of_a_container_and_their_states() -> None:
    assert sorted(Node("node").pids(CONTAINER)) == [11, 12]
    assert Node("node").states(CONTAINER) == {11: "T", 12: "S"}


def test_a_container_that_is_gone_has_no_processes() -> None:
    assert Node("node").pids("e" * 16) == []
    assert Node("node").states("e" * 16) == {}


def test_only_a_container_id_gets_near_a_shell() -> None:
    with pytest.raises(ValueError, match="not a container id"):
        Node("node").pids("abc; reboot")


def test_what_a_container_used_is_read_from_either_version_of_its_control_groups() -> None:
    assert Node("node").cpu(CONTAINER) == {"usage_usec": 700, "user_usec": 500, "nr_periods": 9, "nr_throttled": 4}
    assert Node("node").cpu("e" * 16) == {}
