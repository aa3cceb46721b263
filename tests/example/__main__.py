"""`python -m tests.example`: examples/counter as a stranger runs it, with the plugin installed in an empty folder.

The counter is deployed on the cluster of `make up`, with an image that is there, and removed afterwards. As it is all
has to hold; broken, what it breaks has to be red.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from acceptance.harness.suite.catalogue import load
from cluster.console import run
from cluster.kind import CONTEXT
from cluster.paths import CHECKOUT
from cluster.python_images import TOOLBOX

KUBECTL = ("kubectl", f"--context={CONTEXT}")
COUNTER = CHECKOUT / "examples/counter"
# it counts two at a time
BREAK = ("set", "env", "--namespace=counter", "deployment/counter", "BY=2")
RED = {"counter-2-counts"}
ENTRIES = load(COUNTER / "criteria.toml").entries.keys()


def main() -> int:
    """Install, deploy, run, break, run again; returns 1 when something else holds than has to."""
    with TemporaryDirectory(prefix="example-") as folder:
        python, tests = installed(Path(folder))
        with deployed():
            seen = {"as it is": greens(python, tests)}
            run([*KUBECTL, *BREAK])
            run([*KUBECTL, "--namespace=counter", "rollout", "status", "deployment/counter", "--timeout=60s"])
            seen["broken"] = greens(python, tests)
    sys.stdout.write(f"green: {seen}\n")
    return int(seen != {"as it is": ENTRIES, "broken": ENTRIES - RED})


def installed(folder: Path) -> tuple[Path, Path]:
    """A Python with the plugin, and the example's tests beside it."""
    source = folder / "source"
    # a build writes into its folder
    for name in ("app", "acceptance"):
        shutil.copytree(CHECKOUT / name, source / name)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source)
    run([sys.executable, "-m", "venv", folder / "venv"])
    python = folder / "venv/bin/python"
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"{source}[acceptance]"])
    return python, shutil.copytree(COUNTER, folder / "counter")


@contextmanager
def deployed() -> Iterator[None]:
    """Have the counter on the cluster for the length of a block."""
    rendered = subprocess.run(["kubectl", "kustomize", COUNTER], capture_output=True, text=True, check=True).stdout
    manifest = rendered.replace("image: python:3.13-slim", f"image: {TOOLBOX.names[0]}")
    try:
        subprocess.run([*KUBECTL, "apply", "--filename=-"], input=manifest, text=True, check=True)
        yield
    finally:
        run([*KUBECTL, "delete", "namespace", "counter", "--ignore-not-found"])


def greens(python: Path, tests: Path) -> set[str]:
    """Which entries hold in a run from another folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    suite: list[str | Path] = [python, "-m", "pytest", tests.name, f"--acceptance-context={CONTEXT}"]
    subprocess.run(suite, cwd=tests.parent, env=environment, check=False)
    results = json.loads((tests.parent / "artifacts/latest/report.json").read_text())["results"]
    return {one["id"] for one in results if one["outcome"] == "passed"}


if __name__ == "__main__":
    sys.exit(main())
