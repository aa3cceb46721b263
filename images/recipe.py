"""What is made of what: images.toml, with its versions filled in, as parts with a key of their content."""

import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).resolve().parent
RECIPE = tomllib.loads((HERE / "images.toml").read_text())
VERSIONS: dict[str, str] = RECIPE["versions"]
# k8s.io/kubernetes 1.x.y has its staging modules as 0.x.y.
FILL = {**VERSIONS, "kubernetes_staging": "0." + VERSIONS["kubernetes"].partition(".")[2]}

# A folder can hold the modules and the Dockerfile of an image; neither depends on the other's files.
OF_KIND = {"go.mod": "go", ".go": "go", "pom.xml": "maven"}
"""Whose a file is, by how its name ends; any other is an image's."""


def fill(value: Any) -> Any:  # noqa: ANN401  # TOML of any shape
    """Return a value of images.toml with {name} replaced by that version, in all its strings."""
    if isinstance(value, str):
        return value.format_map(FILL)
    if isinstance(value, list):
        return [fill(item) for item in value]
    if isinstance(value, dict):
        return {key: fill(item) for key, item in value.items()}
    return value


@dataclass(frozen=True)
class Part:
    """One thing to build: its kind and name (`go.dapr`, `image.daprd`), its settings, and the parts it needs."""

    kind: str
    name: str
    settings: dict[str, Any]
    needs: tuple["Part", ...] = field(default=())

    @property
    def id(self) -> str:
        """The name that other parts use in `needs`."""
        return f"{self.kind}.{self.name}"

    @property
    def folder(self) -> Path:
        """The folder below images/ with its files."""
        return HERE / str("debian" if self.kind == "debian" else self.settings.get("folder", self.name))

    @property
    def local(self) -> str:
        """The image's name on this machine."""
        return f"local/debian:{self.name}" if self.kind == "debian" else f"local/{self.settings['name']}"

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The folder's files that go into this part; those that end with .in are filled, and lose that ending."""
        if self.kind == "pypi":
            return {}
        kind = self.kind if self.kind in OF_KIND.values() else None
        return {path: data for path, data in _filled(self.folder) if _kind_of(path) == kind}

    @cached_property
    def key(self) -> str:
        """A hash of all that goes into this part: the same key, the same content."""
        content = hashlib.sha256(
            json.dumps([self.id, self.settings, self._versions(), [part.key for part in self.needs]]).encode()
        )
        for path, data in sorted(self.files.items()):
            content.update(f"\0{path}\0".encode() + data)
        return content.hexdigest()[:12]

    def _versions(self) -> dict[str, str]:
        """The versions given to a build: an image gets those its Dockerfile asks for, a wheel its own."""
        if self.kind == "image":
            asked = re.findall(r"^ARG (\w+)", self.files["Dockerfile"].decode(), re.MULTILINE)
            return {name.lower(): VERSIONS[name.lower()] for name in asked}
        return {self.name: VERSIONS[self.name]} if self.kind == "pypi" else {}

    @property
    def build_args(self) -> dict[str, str]:
        """The build arguments of an image: versions, by upper-case name."""
        return {name.upper(): version for name, version in self._versions().items()}


def _kind_of(path: str) -> str | None:
    return next((kind for end, kind in OF_KIND.items() if path.endswith(end)), None)


def _filled(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            relative = str(path.relative_to(folder))
            if relative.endswith(".in"):
                yield relative.removesuffix(".in"), Template(path.read_text()).substitute(FILL).encode()
            else:
                yield relative, path.read_bytes()


def parts() -> dict[str, Part]:
    """Return every part of images.toml by id, in build order."""
    known: dict[str, Part] = {}
    for kind in ("go", "debian", "maven", "pypi"):
        for name, settings in RECIPE[kind].items():
            known[f"{kind}.{name}"] = Part(kind, name, fill(settings))
    for raw in RECIPE["image"]:
        settings = fill(raw)
        name = settings["name"].partition(":")[0]
        known[f"image.{name}"] = Part("image", name, settings, tuple(known[need] for need in settings["needs"]))
    return known
