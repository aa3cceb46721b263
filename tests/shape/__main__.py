"""`python -m tests.shape [SHAPE [OPTION ...]]`: the suite against other shapes of the system, as users have them.

`replicas`: two of agent and caller under a ResourceQuota and a LimitRange, a proxy that answers nobody, and a
kubeconfig whose credentials come from a program beside it. `names`: another namespace, prefixed names, and a database
that is none of this cluster's workloads. Without a shape it is each in turn; afterwards the system is as it was.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cluster.console import run
from cluster.deploy import DEPLOYMENTS, NAMESPACE
from cluster.kind import CONTEXT
from cluster.paths import CHECKOUT

KUBECTL = ("kubectl", f"--context={CONTEXT}")
IN_APP = (*KUBECTL, f"--namespace={NAMESPACE}")
FOLDER, OWN = CHECKOUT / "tests/shape", CHECKOUT / "overlays/kind"
OURS = "app.kubernetes.io/part-of=fastapi-dapr-agent"
NOBODY = "http://127.0.0.1:9"
PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), NOBODY)


@contextmanager
def replicas() -> Iterator[dict[str, str]]:
    """The system that is there with twice the pods; the environment of a run on it."""
    try:
        apply(FOLDER / "replicas")
        with TemporaryDirectory(prefix="shape-") as folder:
            yield PROXY | {"KUBECONFIG": str(write_kubeconfig(Path(folder)))}
    finally:
        run([*IN_APP, "delete", "resourcequotas,limitranges", f"--selector={OURS}"], quiet=False)
        apply(OWN)


@contextmanager
def names() -> Iterator[dict[str, str]]:
    """The system under other names; the one that is there, which would share its events, is away meanwhile."""
    overlay = FOLDER / "names"
    try:
        run([*IN_APP, "scale", "--replicas=0", *DEPLOYMENTS])
        apply(overlay, "shop", "shop-")
        yield {"ACCEPTANCE_SYSTEM": str(overlay / "system.toml")}
    finally:
        run([*KUBECTL, "delete", f"--kustomize={overlay}", "--ignore-not-found"])
        run([*IN_APP, "scale", "--replicas=1", *DEPLOYMENTS])
        apply(OWN)


@dataclass(frozen=True)
class Shape:
    """One shape: how it is made, what is run on it unless told, and which of that does not apply to it."""

    made: Callable[[], AbstractContextManager[dict[str, str]]]
    options: tuple[str, ...] = ()
    not_applicable: frozenset[str] = frozenset()


# the default tier, and a fault on the database
WITH_POSTGRES = ("--faults", "-k", "default or scenario-5-")
SHAPES = {
    "replicas": Shape(replicas),
    "names": Shape(
        names, WITH_POSTGRES, frozenset({"scenario-1-state-survives-restarts", "scenario-5-postgres-killed"})
    ),
}


def tried(shape: Shape, options: Sequence[str]) -> int:
    """The exit code of the suite on a shape; 1 as well where something else applies to it than has to."""
    with shape.made() as environment:
        suite: list[str | Path] = [CHECKOUT / ".venv/bin/pytest", "acceptance", *(options or shape.options)]
        code = subprocess.run(suite, env=os.environ | environment, cwd=CHECKOUT, check=False).returncode
    results = json.loads((CHECKOUT / "artifacts/latest/report.json").read_text())["results"]
    applies = {one["id"]: one["outcome"] != "not applicable" for one in results}
    wrong = [name for name, does in applies.items() if does == (name in shape.not_applicable)]
    if wrong:
        sys.stdout.write(f"error: applies though it should not, or the other way round: {', '.join(wrong)}\n")
    return code or bool(wrong)


def main() -> int:
    """Run the suite on the shape that is named, with the options given here, or on each; returns its exit code."""
    chosen = sys.argv[1:2] or list(SHAPES)
    return max(tried(SHAPES[name], sys.argv[2:]) for name in chosen)


def apply(overlay: Path, namespace: str = NAMESPACE, prefix: str = "") -> None:
    """Apply an overlay, and return when all of it is rolled out."""
    run([*KUBECTL, "apply", f"--kustomize={overlay}"])
    for deployment in DEPLOYMENTS:
        kind, _, name = deployment.partition("/")
        in_time = ["rollout", "status", f"{kind}/{prefix}{name}", "--timeout=180s"]
        run([*KUBECTL, f"--namespace={namespace}", *in_time], quiet=False)


def write_kubeconfig(folder: Path) -> Path:
    """The cluster's kubeconfig with its credentials moved into a program, which it names by a path beside itself."""
    view = ("kubectl", "config", "view", "--raw", "--flatten", "--minify", f"--context={CONTEXT}", "--output=json")
    config: dict[str, Any] = json.loads(subprocess.run(view, capture_output=True, text=True, check=True).stdout)
    user = config["users"][0]["user"]
    status = {
        told: base64.b64decode(user[name]).decode()
        for name, told in (
            ("client-certificate-data", "clientCertificateData"),
            ("client-key-data", "clientKeyData"),
        )
    }
    about = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    program = folder / "credentials"
    program.touch(mode=0o700)
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(about | {'status': status})}\nEND\n")
    run = {"apiVersion": about["apiVersion"], "command": f"./{program.name}", "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": run}
    path = folder / "kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path


if __name__ == "__main__":
    sys.exit(main())
