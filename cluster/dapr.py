"""Dapr's control plane, by its own Helm chart, before the overlays: it owns the CRDs they use."""

import hashlib
import json
import tempfile
from pathlib import Path

from cluster import images
from cluster.console import ask, run, say
from cluster.paths import CHART, CHECKOUT, VERSIONS

NAMESPACE = "dapr-system"
VALUES = CHECKOUT / "cluster/dapr-values.yaml"
REPOSITORY = "https://dapr.github.io/helm-charts/"


def ensure(context: str) -> None:
    """Install or upgrade the chart, unless this version with these values is there. Raises CommandError."""
    version = VERSIONS["dapr"]
    key = hashlib.sha256(f"{version} {VALUES.read_text()}".encode()).hexdigest()[:12]
    helm = ["helm", "--kube-context", context, "--namespace", NAMESPACE]
    release = json.loads(ask([*helm, "status", "dapr", "--output", "json"]) or "{}").get("info", {})
    if release.get("status") == "deployed" and release.get("description") == key:
        say(f"    Dapr {version} is there")
        return
    if release and release["status"] != "deployed":
        # A release whose installation was interrupted refuses every upgrade.
        run([*helm, "uninstall", "dapr", "--wait"])
    # Until services are routed, 10.96.0.1 leads nowhere: the control plane would crash and wait out its back-off.
    run(
        [
            "kubectl",
            "--context",
            context,
            "--namespace",
            "kube-system",
            "rollout",
            "status",
            "deployment/coredns",
            "--timeout=120s",
        ]
    )
    chart: list[str | Path] = [CHART] if images.are_local() else ["dapr", "--repo", REPOSITORY, "--version", version]
    options: list[str | Path] = [
        "--create-namespace",
        "--values",
        VALUES,
        "--set",
        f"global.tag={version}",
        "--description",
        key,
    ]
    _apply_crds(context, ask([*helm, "show", "crds", *chart]) or "")
    run([*helm, "upgrade", "--install", "dapr", *chart, *options, "--wait", "--timeout", "5m"])


def _apply_crds(context: str, crds: str) -> None:
    """Apply the chart's CRDs: Helm installs them once and never upgrades them."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(crds)
        file.flush()
        apply = ["apply", "--server-side", "--force-conflicts", "--filename", file.name]
        run(["kubectl", "--context", context, *apply])
