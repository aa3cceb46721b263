"""A failure tells how to see it again."""

import os
import shlex
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from acceptance.agent.criteria import CATALOGUE, ENTRIES
from acceptance.harness.errors import UnmetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.suite.catalogue import TIERS, Entry
from acceptance.harness.suite.explanation import Diagnosis, explain
from acceptance.harness.suite.options import SHORT, Options
from acceptance.harness.suite.run import rerun_of
from acceptance.harness.watching.logs import file_of, of_the_gone, severe_since
from tests.acceptance.fakes import POD

OPTIONS = Options(CATALOGUE, None, ("default",), 2, frozenset(), 7, plan=False, given=("--seed=7", "--time-scale=2"))
ONE_OF_EACH_TIER = [next(one for one in ENTRIES.values() if one.tier == tier) for tier in TIERS]


@pytest.mark.parametrize("entry", ONE_OF_EACH_TIER, ids=TIERS)
def test_the_command_to_run_an_entry_again_runs_it(entry: Entry) -> None:
    config = cast("pytest.Config", SimpleNamespace(args=["acceptance"], stash={SHORT: True}))
    rerun = rerun_of(config, OPTIONS, entry)
    command = [sys.executable, "-m", *shlex.split(rerun), "--plan"]
    plan = subprocess.run(command, capture_output=True, text=True, check=True)
    assert entry.id in plan.stdout
    assert "1 in all" in plan.stdout


def test_of_containers_that_are_no_more_the_logs_of_a_moment_are_named(tmp_path: Path) -> None:
    restarted = replace(POD, containers={"fastapi": replace(POD.containers["fastapi"], restarts=1)})
    now, before = file_of(restarted, restarted.containers["fastapi"]), file_of(POD, POD.containers["fastapi"])
    written = {before: 200, now: 201, "fastapi-app_old_fastapi_0.log": 300, "kafka_kafka-0_kafka_0.log": 300,
               "fastapi-app_older_fastapi_0.log": 50}  # fmt: skip
    for name, at in written.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    found = of_the_gone(tmp_path, "fastapi-app", [restarted], since=100)
    assert [file.name for file in found] == ["fastapi-app_old_fastapi_0.log", before]
    told = explain(UnmetError("this", "that"), ONE_OF_EACH_TIER[0], None, "", "", gone=tuple(map(str, found)))
    assert any(before in line for line in told.lines())


def test_without_a_known_cause_the_last_warnings_of_the_test_are_shown_whoever_wrote_them(tmp_path: Path) -> None:
    lines = {
        "app": '{"time": "2026-11-30T15:11:48.910+00:00", "level": "warning", "message": "database is away"}',
        "daprd": 'time="2026-11-30T15:11:49.75Z" level=error msg="no answer"\ntime="2026-11-30T15:11:59Z" level=info',
        "postgresql": "2026-11-30 15:11:50.018 UTC [1] FATAL:  the database system is starting up",
        "kafka": "[2026-11-30 15:11:51,018] WARN fenced\n[2026-11-30 15:11:41,018] ERROR before\nERROR without a time",
    }
    for name, text in lines.items():
        (tmp_path / f"{name}.log").write_text(text)
    severe = severe_since(tmp_path, datetime(2026, 11, 30, 15, 11, 48, 500_000, UTC).timestamp())
    assert [line.partition(":")[0] for line in severe] == ["app", "daprd", "postgresql", "kafka"]
    logged = explain(UnmetError("this", "that"), ONE_OF_EACH_TIER[0], None, "", "", severe=tuple(severe)).logged
    assert [one.partition(":")[0] for one in logged.split(" | ")] == ["daprd", "postgresql", "kafka"]


def test_what_to_look_at_is_on_the_cluster_of_the_run() -> None:
    cluster = SimpleNamespace(kubectl=SimpleNamespace(context="staging"))
    diagnosis = Diagnosis(cast("Cluster", cluster), (), lambda _: None, "kubectl get all")
    look = explain(UnmetError("this", "that"), ONE_OF_EACH_TIER[0], diagnosis, "", "").look
    assert look.startswith("kubectl --context staging ")
