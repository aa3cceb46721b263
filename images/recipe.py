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


def fill(value: Any) -> Any:
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
        return HERE / self.settings.get("folder", self.name)

    @property
    def local(self) -> str:
        """The image's name on this machine."""
        return f"local/debian:{self.name}" if self.kind == "debian" else f"local/{self.settings['name']}"

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The folder's files by relative path, those that end with .in filled with the versions, and without that ending."""
        return dict(_filled(self.folder)) if self.kind in ("go", "maven", "image") else {}

    @cached_property
    def key(self) -> str:
        """A hash of all that goes into this part: the same key, the same content."""
        content = hashlib.sha256(json.dumps([self.id, self.settings, self._versions(), [part.key for part in self.needs]]).encode())
        for path, data in sorted(self._relevant_files().items()):
            content.update(f"\0{path}\0".encode() + data)
        return content.hexdigest()[:12]

    def _versions(self) -> dict[str, str]:
        """The versions given to a build by name: an image gets those its Dockerfile asks for, Maven and PyPI their own."""
        if self.kind == "image":
            asked = re.findall(r"^ARG (\w+)", self.files["Dockerfile"].decode(), re.MULTILINE)
            return {name.lower(): VERSIONS[name.lower()] for name in asked}
        return {self.name: VERSIONS[self.name]} if self.kind in ("maven", "pypi") else {}

    def _relevant_files(self) -> dict[str, bytes]:
        """Go modules and Dockerfiles share a folder; neither depends on the other's file."""
        of_kind = {"go": lambda path: path == "go.mod", "maven": lambda path: path == "pom.xml", "image": lambda path: path not in ("go.mod", "pom.xml")}
        return {path: data for path, data in self.files.items() if of_kind[self.kind](path)}

    @property
    def build_args(self) -> dict[str, str]:
        """The build arguments of an image: versions, by upper-case name."""
        return {name.upper(): version for name, version in self._versions().items()}


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
