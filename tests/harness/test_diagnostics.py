"""A failure tells how to see it again."""

import shlex
import subprocess
import sys
from types import SimpleNamespace
from typing import cast

import pytest

from acceptance.harness.catalogue import ENTRIES, TIERS, Entry
from acceptance.harness.cluster import Cluster
from acceptance.harness.diagnostics import explain
from acceptance.harness.errors import UnmetError
from acceptance.harness.state import State

ONE_OF_EACH_TIER = [next(one for one in ENTRIES.values() if one.tier == tier) for tier in TIERS]


@pytest.mark.parametrize("entry", ONE_OF_EACH_TIER, ids=TIERS)
def test_the_command_to_run_an_entry_again_runs_it(entry: Entry) -> None:
    rerun = explain(UnmetError("this", "that"), entry, None, "", ("--seed=7", "--time-scale=2")).rerun
    command = [sys.executable, "-m", *shlex.split(rerun), "--plan"]
    plan = subprocess.run(command, capture_output=True, text=True, check=True)
    assert entry.id in plan.stdout
    assert "1 in all" in plan.stdout


def test_what_to_look_at_is_on_the_cluster_of_the_run() -> None:
    cluster = SimpleNamespace(kubectl=SimpleNamespace(context="staging"))
    look = explain(UnmetError("this", "that"), ONE_OF_EACH_TIER[0], State(cast("Cluster", cluster)), "").look
    assert look.startswith("kubectl --context staging ")
