"""The Job that makes the topics, run with stand-ins for Kafka's tools."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .rendering import ROOT, containers, named, render

TOOL = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in
  *--describe*) for number in $(seq "$BROKERS"); do echo "Dynamic configs for broker $number are:"; done
    echo "Default configs for brokers in the cluster are:" ;;
  *--create*) test -z "$THERE" && echo "Created topic $5." ;;
esac
exit 0
"""
Make = Callable[..., list[str]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run the Job on a cluster of so many brokers; the calls of tools that change something."""
    job = named(render(ROOT / "base/kafka/topics"), "Job", "kafka-topics")
    shell, flags, script = containers(job)[0]["command"]
    for tool in ("kafka-topics.sh", "kafka-configs.sh"):
        (tmp_path / tool).write_text(TOOL)
        (tmp_path / tool).chmod(0o755)

    def make(brokers: int, there: str = "") -> list[str]:
        calls = tmp_path / "calls"
        told = {"CALLS": str(calls), "BROKERS": str(brokers), "THERE": there, "KAFKA_BROKERS": "kafka:9092"}
        command = [shell, flags, script.replace("/opt/kafka/bin", str(tmp_path))]
        run = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return [line for line in calls.read_text().splitlines() if "--describe" not in line]

    return make


@pytest.mark.parametrize(("brokers", "copies", "in_sync"), [(1, 1, 1), (2, 2, 1), (3, 3, 2), (5, 3, 2)])
def test_topics_are_made_with_the_copies_that_there_are_brokers_for(
    make: Make, brokers: int, copies: int, in_sync: int
) -> None:
    events, letters = make(brokers)
    wanted = f"--replication-factor {copies} --config min.insync.replicas={in_sync}"
    assert f"--topic agent-events --partitions 8 {wanted}" in events
    assert f"--topic agent-events-dead-letters --partitions 1 {wanted}" in letters


def test_what_a_consumer_has_to_unpack_is_bounded_on_topics_that_are_made(make: Make) -> None:
    for call in make(1):
        assert "--config compression.type=uncompressed" in call


def test_topics_that_are_there_are_bounded_too_and_keep_their_copies(make: Make) -> None:
    _, events, _, letters = make(3, there="yes")
    altered = "kafka-configs.sh --bootstrap-server kafka:9092 --alter --entity-type topics --entity-name"
    assert events == f"{altered} agent-events --add-config compression.type=uncompressed"
    assert letters == (
        f"{altered} agent-events-dead-letters --add-config compression.type=uncompressed,max.message.bytes=2097152"
    )
