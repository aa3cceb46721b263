"""What is built again when a version changes: that which depends on it, and nothing else."""

import pytest

from images import recipe

DAPR = ("operator", "sentry", "injector", "daprd")
KUBERNETES = ("apiserver", "controller-manager", "proxy", "scheduler")
IN_IMAGES = ("coredns", "etcd", "local-path-provisioner")
# One go.mod: a new version of one may be another version of what the others import.
AROUND_KUBERNETES = {
    *(f"go.{name}" for name in ("kubernetes", "containerd", "helm", "kind", *IN_IMAGES)),
    *(f"image.kube-{name}" for name in KUBERNETES),
    *(f"image.{name}" for name in ("kind-base", *IN_IMAGES)),
}
# version -> the parts that must be built again; what is not listed must keep its key
DEPENDENTS = {
    "kafka": {"maven.kafka", "image.kafka"},
    "postgres": {"image.postgres"},
    "helm": AROUND_KUBERNETES,
    "dapr": {"go.dapr", *(f"image.{name}" for name in DAPR)},
    "containerd": AROUND_KUBERNETES,
    "local_path_provisioner": AROUND_KUBERNETES,
}


@pytest.mark.parametrize("version", DEPENDENTS)
def test_a_new_version_rebuilds_only_what_depends_on_it(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {name: part.key for name, part in recipe.parts().items()}
    monkeypatch.setitem(recipe.VERSIONS, version, "9.9.9")
    monkeypatch.setitem(recipe.FILL, version, "9.9.9")
    after = {name: part.key for name, part in recipe.parts().items()}
    assert {name for name in before if before[name] != after[name]} == DEPENDENTS[version]


def test_every_part_has_what_it_needs_before_it() -> None:
    built: set[str] = set()
    for name, part in recipe.parts().items():
        assert {need.id for need in part.needs} <= built
        built.add(name)
