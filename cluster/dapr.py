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
        release = {}
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
    options: list[str | Path] = ["--create-namespace", "--values", VALUES, "--set", f"global.tag={version}"]
    _apply_crds(context, ask([*helm, "show", "crds", *chart]) or "")
    upgrade = [*helm, "upgrade", "--install", "dapr", *chart, *options, "--timeout", "5m"]
    if not release:
        run(upgrade)
        _start_with_certificates(context)
    run([*upgrade, "--wait", "--description", key])


def _start_with_certificates(context: str) -> None:
    """Start the control plane anew once Sentry has made its certificates.

    The pods that were there before would wait up to a minute for kubelet to bring them these, and longer for Sentry,
    which starts anew with each change it sees.
    """
    kubectl = ["kubectl", "--context", context, "--namespace", NAMESPACE]
    made = "--for=jsonpath={.data.issuer\\.crt}"
    run([*kubectl, "wait", made, "secret/dapr-trust-bundle", "--timeout=120s"])
    run([*kubectl, "delete", "pods", "--all", "--now", "--wait=false"])


def _apply_crds(context: str, crds: str) -> None:
    """Apply the chart's CRDs: Helm installs them once and never upgrades them."""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(crds)
        file.flush()
        apply = ["apply", "--server-side", "--force-conflicts", "--filename", file.name]
        run(["kubectl", "--context", context, *apply])
