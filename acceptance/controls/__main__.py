"""`python -m acceptance.controls [--quick] [ID ...]`: break the system in each declared way and see the suite fail."""

import argparse
import json
import subprocess
import sys
import time
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from acceptance.agent.deployment import name_of
from acceptance.agent.overlay import HINT, MAKE_UP_CONTEXTS
from acceptance.controls.broken import NAMES, broken, undo_table
from acceptance.controls.catalogue import Control, load
from acceptance.harness.errors import EnvironmentNotReadyError, ExitCode, UndoIncompleteError
from acceptance.harness.faults.journal import Journal, terminate_like_interrupt, uninterrupted
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.kubeconfig import private_copy
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.suite.environment import held
from acceptance.harness.waiting import Waiting

ROOT = Path(__file__).parents[2]


def reported(*arguments: str) -> dict[str, Any]:
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


def observe(kubectl: Kubectl, journal: Journal, control: Control) -> list[str]:
    """What differs between what a control declares and what a run on its broken system saw; empty when nothing does."""
    with broken(kubectl, journal, control):
        report = reported(f"--context={kubectl.context}", *control.runs)
    return list(differences(control, report))


def differences(control: Control, report: dict[str, Any]) -> list[str]:
    """Why a run says nothing; or what was declared but not seen, seen but not declared, and not named."""
    results = {result["id"]: result for result in report["results"]}
    failures = {entry_id: result["failures"] for entry_id, result in results.items()}
    if report["exit_code"] != ExitCode.FAILED:
        seen = [failure["seen"] for one in failures.values() for failure in one]
        reason = next(filter(None, [report["stopped"], *seen]), "nothing failed")
        return [f"ended with {report['exit_code']}: {reason}"]
    red, green = (
        {entry_id for entry_id, result in results.items() if result["outcome"] == outcome}
        for outcome in ("failed", "passed")
    )
    found = [f"{entry_id} should be red" for entry_id in sorted(control.red - red)]
    found += [
        f"{entry_id} should be green: {_said(results[entry_id])}"
        for entry_id in sorted(results.keys() - control.red - green)
    ]
    # A failure whose reason is in the product has no known cause; what was expected or seen names it.
    first = failures.get(control.first_red, [])
    named = " / ".join(failure[key] for failure in first for key in ("expected", "seen", "cause"))
    if control.cause not in named:
        found.append(f"{control.first_red} should name {control.cause!r}, not {named!r}")
    return found


def _said(result: dict[str, Any]) -> str:
    told = [f"{name}: {text}" for failure in result["failures"] for name, text in failure.items() if text]
    return "\n      ".join([result["reason"], *told])


def judged(kubectl: Kubectl, controls: list[Control]) -> ExitCode:
    """Run controls one after the other, and print the table; what an earlier run left broken is put back first."""
    code = ExitCode.OK
    # Not the suite's own: a run of the suite holds that one, and undoes what is in its journal.
    with held(Cluster(kubectl), f"{name_of(NAMES)}-controls", "controls", undo_table(kubectl), Waiting()) as journal:
        for undone in journal.undo_all():
            sys.stdout.write(f"undone from an earlier run: {undone}\n")
        for control in controls:
            started = time.monotonic()
            wrong = observe(kubectl, journal, control)
            code = ExitCode.FAILED if wrong else code
            verdict = "; ".join(wrong) or f"red as declared: {', '.join(sorted(control.red))}"
            seconds = time.monotonic() - started
            sys.stdout.write(f"{'WRONG' if wrong else 'ok':<6}{control.id:<34}{seconds:>5.0f} s  {verdict}\n")
            sys.stdout.flush()
    return code


def main(arguments: list[str]) -> int:
    """Run the chosen controls, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m acceptance.controls", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only those that CI runs")
    parser.add_argument("--context", help="context of the kubeconfig (default: the cluster of `make up`)")
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these")
    options = parser.parse_args(arguments)
    known = load()
    for unknown in [one for one in options.ids if one not in known]:
        parser.error(f"no control {unknown}; there is {', '.join(get_close_matches(unknown, known) or known)}")
    controls = [known[one] for one in options.ids or known if known[one].quick or not options.quick]
    if not controls:
        parser.error("none of these is a quick one")
    terminate_like_interrupt()
    try:
        with private_copy(options.context, tuple(MAKE_UP_CONTEXTS), HINT) as kubectl:
            return judged(kubectl, controls)
    except EnvironmentNotReadyError as error:
        sys.stderr.write(f"environment not ready: {error}\n")
        return ExitCode.NOT_READY
    except UndoIncompleteError as error:
        sys.stderr.write(f"undo incomplete: {error}\n")
        return ExitCode.UNDO_INCOMPLETE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted, and the system put back as it was\n")
        return ExitCode.INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
