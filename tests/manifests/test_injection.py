"""Which namespaces wait for Dapr's injector: its webhook refuses every pod there while it is away."""

import pytest
import yaml

from .rendering import ROOT, Manifest, of_kind, render

SELECTOR = yaml.safe_load((ROOT / "cluster/dapr-values.yaml").read_text())["dapr_sidecar_injector"]["namespaceSelector"]
NAME = "kubernetes.io/metadata.name"


def is_selected(name: str, labels: dict[str, str]) -> bool:
    """Whether the webhook is asked about pods of a namespace; the API server gives each its name as a label."""
    known = labels | {NAME: name}
    assert {one["operator"] for one in SELECTOR.get("matchExpressions", [])} <= {"NotIn"}
    return SELECTOR.get("matchLabels", {}).items() <= known.items() and all(
        known.get(one["key"]) not in one["values"] for one in SELECTOR.get("matchExpressions", [])
    )


@pytest.mark.parametrize(
    ("kustomization", "selected"), [("overlays/kind", "fastapi-app"), ("tests/shape/names", "shop")]
)
def test_sidecars_are_injected_where_the_services_are_whatever_that_is_called(
    kustomization: str, selected: str
) -> None:
    objects: list[Manifest] = render(ROOT / kustomization)
    spaces = [one["metadata"] for one in of_kind(objects, "Namespace")]
    assert [one["name"] for one in spaces if is_selected(one["name"], one.get("labels", {}))] == [selected]


@pytest.mark.parametrize("namespace", ["dapr-system", "kube-system", "local-path-storage", "counter"])
def test_no_pod_of_somebody_else_waits_for_the_injector_its_own_least_of_all(namespace: str) -> None:
    assert not is_selected(namespace, {})
