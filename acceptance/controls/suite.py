"""The suite, run on a broken system as a program of its own."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from acceptance.harness.errors import ExitCode, UndoIncompleteError
from acceptance.harness.faults.interruption import uninterrupted

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> dict[str, Any]:
    """The report of a run, which ends by itself also when it is interrupted, for it has something to undo.

    Raises UndoIncompleteError when it could not.
    """
    latest = ROOT / "artifacts" / "latest"
    # No report of an earlier run can be taken for this one's.
    latest.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "acceptance", "-q", *arguments]
    # Ctrl-C reaches the program too: it is in our group.
    with (
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL) as program,
        uninterrupted(program.terminate),
    ):
        report: dict[str, Any] = {"stopped": "it left no report", "results": []}
        code = program.wait()
        if (file := latest / "report.json").exists():
            report = json.loads(file.read_text())
        if code == ExitCode.UNDO_INCOMPLETE:
            raise UndoIncompleteError(f"the suite ended with {code}: {report['stopped']}")
    return {**report, "exit_code": code}
