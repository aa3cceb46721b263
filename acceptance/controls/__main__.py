"""`python -m acceptance.controls [--quick] [ID ...]`: break the system in each declared way and see the suite fail."""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from acceptance.controls.broken import broken
from acceptance.controls.catalogue import Control, load
from acceptance.harness.errors import EnvironmentNotReadyError, ExitCode
from acceptance.harness.kubeconfig import private_copy
from acceptance.harness.kubectl import Kubectl

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "artifacts" / "latest" / "report.json"


def observe(kubectl: Kubectl, control: Control) -> list[str]:
    """What differs between what a control declares and what a run on its broken system saw; empty when nothing does."""
    with broken(kubectl, control):
        command = [sys.executable, "-m", "pytest", "acceptance", "-q", f"--context={kubectl.context}", *control.runs]
        subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.DEVNULL)
    return list(differences(control, json.loads(REPORT.read_text())))


def differences(control: Control, report: dict[str, Any]) -> list[str]:
    """Declared but not seen, seen but not declared, and a cause that was not named."""
    results = {result["id"]: result for result in report["results"]}
    red = {entry_id for entry_id, result in results.items() if result["outcome"] != "passed"}
    found = [f"{entry_id} should be red" for entry_id in sorted(control.red - red)]
    found += [f"{entry_id} should be green" for entry_id in sorted(red - control.red)]
    first = results.get(control.first_red, {})
    causes = " / ".join(failure["cause"] for failure in first.get("failures", []))
    if control.cause not in causes:
        found.append(f"{control.first_red} should name {control.cause!r}, not {causes!r}")
    return found


def main(arguments: list[str]) -> int:
    """Run the chosen controls one after the other, print the table, return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m acceptance.controls", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only those that CI runs")
    parser.add_argument("--context", help="context of the kubeconfig (default: the cluster of `make up`)")
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these")
    options = parser.parse_args(arguments)
    known = load()
    controls = [one for one in map(known.get, options.ids or known) if one and (one.quick or not options.quick)]
    failed = not controls
    try:
        with private_copy("auto", options.context) as kubectl:
            for control in controls:
                started = time.monotonic()
                wrong = observe(kubectl, control)
                failed = failed or bool(wrong)
                verdict = "; ".join(wrong) or f"red as declared: {', '.join(sorted(control.red))}"
                seconds = time.monotonic() - started
                sys.stdout.write(f"{'WRONG' if wrong else 'ok':<6}{control.id:<34}{seconds:>5.0f} s  {verdict}\n")
                sys.stdout.flush()
    except EnvironmentNotReadyError as error:
        sys.stderr.write(f"environment not ready: {error}\n")
        return ExitCode.NOT_READY
    except KeyboardInterrupt:
        sys.stderr.write("interrupted, and the system put back as it was\n")
        return ExitCode.INTERRUPTED
    return ExitCode.FAILED if failed else ExitCode.OK


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
