"""Bases, overlays and components render, alone and together, in the order that daprd and kubectl need."""

import itertools
import os
from pathlib import Path

import pytest
import yaml

from .rendering import DAPR, OVERLAYS, ROOT, Overlay, containers, named, of_kind, render, title, with_pods

BASES = sorted(path.parent for path in ROOT.glob("base/**/kustomization.yaml"))
COMPONENTS = sorted(
    path.parent
    for path in ROOT.glob("components/*/kustomization.yaml")
    if yaml.safe_load(path.read_text())["kind"] == "Component"
)
SUBSETS = [subset for size in range(len(COMPONENTS) + 1) for subset in itertools.combinations(COMPONENTS, size)]


def names(paths: tuple[Path, ...] | Path) -> str:
    chosen = paths if isinstance(paths, tuple) else (paths,)
    return "+".join(path.relative_to(ROOT).as_posix() for path in chosen) or "none"


def test_the_overlays_are_the_three_of_the_contract() -> None:
    assert [path.name for path in OVERLAYS] == ["existing-backends", "kind", "minikube"]


@pytest.mark.parametrize("path", OVERLAYS, ids=names)
def test_an_overlay_is_at_most_fifteen_lines(path: Path) -> None:
    lines = (path / "kustomization.yaml").read_text().splitlines()
    assert len(lines) <= 15, f"{path.name} has {len(lines)} lines: what it adds may belong in a component"


@pytest.mark.parametrize("path", BASES, ids=names)
def test_a_base_renders_alone(path: Path) -> None:
    assert render(path)


def test_namespaces_come_before_what_is_in_them(overlay: Overlay) -> None:
    own = {manifest["metadata"]["name"] for manifest in of_kind(overlay.objects, "Namespace")}
    seen: set[str] = set()
    for manifest in overlay.objects:
        namespace = manifest["metadata"].get("namespace")
        assert namespace not in own - seen, f"{title(manifest)} is applied before its Namespace"
        if manifest["kind"] == "Namespace":
            seen.add(manifest["metadata"]["name"])


def test_what_daprd_reads_at_start_comes_before_the_apps(overlay: Overlay) -> None:
    read = [title(m) for m in overlay.objects if m["apiVersion"] == DAPR or m["kind"] == "Secret"]
    first_app = next(i for i, manifest in enumerate(overlay.objects) if manifest["kind"] == "Deployment")
    earlier = [title(manifest) for manifest in overlay.objects[:first_app]]
    assert read, "no Component in this overlay"
    assert not set(read) - set(earlier), f"after the first Deployment: {set(read) - set(earlier)}; see sortOptions"


def test_topics_come_before_the_agent(overlay: Overlay) -> None:
    kinds = [manifest["kind"] for manifest in with_pods(overlay.objects)]
    assert kinds == sorted(kinds, key=["StatefulSet", "Job", "Deployment"].index)


@pytest.mark.parametrize("subset", SUBSETS, ids=names)
def test_components_combine(subset: tuple[Path, ...], tmp_path: Path) -> None:
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(ROOT / base, tmp_path) for base in ("base/dapr", "base/agent", "base/caller")],
        "components": [os.path.relpath(path, tmp_path) for path in subset],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))

    objects = render(tmp_path)

    chosen = {path.name for path in subset}
    agent, caller = (containers(named(objects, "Deployment", f"fastapi-dapr-{app}"))[0] for app in ("agent", "caller"))
    serving = "/ready?for=serving" if "serve-degraded" in chosen else "/ready"
    policy = "Never" if "local-image" in chosen else "IfNotPresent"
    assert (agent["readinessProbe"]["httpGet"]["path"], agent["imagePullPolicy"]) == (serving, policy)
    assert (caller["readinessProbe"]["httpGet"]["path"], caller["imagePullPolicy"]) == ("/ready", policy)


def test_there_are_components_to_combine() -> None:
    assert {path.name for path in COMPONENTS} == {"local-image", "quotas", "replicas", "serve-degraded"}
