"""A failure tells how to see it again."""

import shlex
import subprocess
import sys

import pytest

from acceptance.harness.catalogue import ENTRIES, TIERS, Entry
from acceptance.harness.diagnostics import explain
from acceptance.harness.errors import UnmetError

ONE_OF_EACH_TIER = [next(one for one in ENTRIES.values() if one.tier == tier) for tier in TIERS]


@pytest.mark.parametrize("entry", ONE_OF_EACH_TIER, ids=TIERS)
def test_the_command_to_run_an_entry_again_runs_it(entry: Entry) -> None:
    rerun = explain(UnmetError("this", "that"), entry, None, "").rerun
    command = [sys.executable, "-m", *shlex.split(rerun), "--plan"]
    plan = subprocess.run(command, capture_output=True, text=True, check=True)
    assert entry.id in plan.stdout
    assert "1 in all" in plan.stdout
