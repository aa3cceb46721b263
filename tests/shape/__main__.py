"""`python -m tests.shape`: the suite against another shape of the system, in another environment, as users have them.

Two replicas of agent and caller under a ResourceQuota and a LimitRange, a proxy that answers nobody, and a kubeconfig
whose credentials come from a program beside it. Afterwards the system has its own shape again.
"""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cluster.console import run
from cluster.deploy import DEPLOYMENTS, NAMESPACE
from cluster.kind import CONTEXT
from cluster.paths import CHECKOUT

KUBECTL = ("kubectl", f"--context={CONTEXT}")
IN_APP = (*KUBECTL, f"--namespace={NAMESPACE}")
OURS = "app.kubernetes.io/part-of=fastapi-dapr-agent"
NOBODY = "http://127.0.0.1:9"
PROXY = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), NOBODY)


def main() -> int:
    """Run the suite with the options given here; returns its exit code."""
    with deployed(), TemporaryDirectory(prefix="shape-") as folder:
        suite: list[str | Path] = [CHECKOUT / ".venv/bin/pytest", "acceptance", *sys.argv[1:]]
        environment = os.environ | PROXY | {"KUBECONFIG": str(write_kubeconfig(Path(folder)))}
        return subprocess.run(suite, env=environment, cwd=CHECKOUT, check=False).returncode


@contextmanager
def deployed() -> Iterator[None]:
    """Give the system that is there this shape, for the length of a block."""
    shape, own = CHECKOUT / "tests/shape", CHECKOUT / "overlays/kind"
    try:
        apply(shape)
        yield
    finally:
        run([*IN_APP, "delete", "resourcequotas,limitranges", f"--selector={OURS}"], quiet=False)
        apply(own)


def apply(overlay: Path) -> None:
    """Apply an overlay, and return when all of it is rolled out."""
    run([*KUBECTL, "apply", f"--kustomize={overlay}"])
    for deployment in DEPLOYMENTS:
        run([*IN_APP, "rollout", "status", deployment, "--timeout=180s"], quiet=False)


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
