"""Every object against the strict schemas of Kubernetes and of the pinned Dapr release."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate  # type: ignore[import-untyped]  # ships no types
import pytest
import yaml

from .rendering import DAPR, ROOT, VERSIONS, Manifest, Overlay, component_metadata, of_kind, title

# what only Kustomize reads
KUSTOMIZES = {"kustomization.yaml", "names.yaml"}
FILES = sorted(path for path in ROOT.glob("base/**/*.yaml") if path.name not in KUSTOMIZES)
CONTRIB = "github.com/dapr/components-contrib"
# read by this prefix, and described on a page of their own
RETRY = "backOff"
COMPONENT_SPECS = {"pubsub.kafka": "pubsub/kafka", "state.postgresql": "state/postgresql/v2"}


def module(path: str, version: str) -> Path:
    """Answer where Go's module cache has this version of a module, downloaded if it is missing."""
    go = shutil.which("go")
    assert go, "Dapr's CRDs come with its Go module: expected `go` on PATH, found none"
    command = [go, "mod", "download", "-json", f"{path}@v{version}"]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{' '.join(command)} failed: {run.stdout} {run.stderr}"
    return Path(json.loads(run.stdout)["Dir"])


def strict(schema: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Answer the schema with unknown properties refused wherever it names properties."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else {}
    return closed | {key: strict(value) for key, value in schema.items()}


@pytest.fixture(scope="module")
def dapr_schemas() -> dict[str, Any]:
    files = sorted(module("github.com/dapr/dapr", VERSIONS["dapr"]).glob("charts/dapr/crds/*.yaml"))
    crds = [yaml.safe_load(path.read_text()) for path in files]
    return {
        crd["spec"]["names"]["kind"]: strict(version["schema"]["openAPIV3Schema"])
        for crd in crds
        for version in crd["spec"]["versions"]
        if f"dapr.io/{version['name']}" == DAPR
    }


def check(manifest: Manifest, dapr_schemas: dict[str, Any]) -> None:
    if manifest["apiVersion"] == DAPR:
        jsonschema.validate(manifest, dapr_schemas[manifest["kind"]])
    else:
        kubernetes_validate.validate(manifest, VERSIONS["kubernetes"], strict=True)


def test_every_object_follows_its_schema(overlay: Overlay, dapr_schemas: dict[str, Any]) -> None:
    for manifest in overlay.objects:
        try:
            check(manifest, dapr_schemas)
        except jsonschema.ValidationError as error:
            pytest.fail(f"{title(manifest)}: {'.'.join(map(str, error.absolute_path))}: {error.message}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_file_is_valid_alone(path: Path, dapr_schemas: dict[str, Any]) -> None:
    check(yaml.safe_load(path.read_text()), dapr_schemas)


def test_dapr_knows_every_setting_of_a_component(overlay: Overlay) -> None:
    required = (module("github.com/dapr/dapr", VERSIONS["dapr"]) / "go.mod").read_text()
    (version,) = re.findall(rf"^\t{CONTRIB} v(\S+)$", required, re.MULTILINE)
    contrib = module(CONTRIB, version)
    for component in of_kind(overlay.objects, "Component"):
        spec = yaml.safe_load((contrib / COMPONENT_SPECS[component["spec"]["type"]] / "metadata.yaml").read_text())
        profiles = spec.get("authenticationProfiles", [])
        fields = [*spec["metadata"], *(field for profile in profiles for field in profile["metadata"])]
        named = {name for name in component_metadata(component) if not name.startswith(RETRY)}
        unknown = named - {field["name"] for field in fields}
        assert not unknown, f"{title(component)}: daprd would ignore {unknown} without a word"
