"""The documents name what there is: routes, overlays, make targets, images."""

import re
import subprocess
from pathlib import Path

import pytest

from app.database import OLDEST
from cluster.servers import SHA256
from images.recipe import parts
from tests.app.fuzz.document import DOCUMENT

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
ROUTES = sorted(DOCUMENT["paths"])
OVERLAYS = sorted(path.name for path in (ROOT / "overlays").iterdir())
IMAGES = sorted(
    part.settings["official"] for part in parts().values() if part.kind == "image" and "official" in part.settings
)


@pytest.mark.parametrize("route", ROUTES)
def test_the_readme_names_every_route(route: str) -> None:
    assert route == "/" or route in README


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_the_readme_names_every_overlay(overlay: str) -> None:
    assert f"| `{overlay}` |" in README


@pytest.mark.parametrize(
    "folder", ["app", "base", "components", "overlays", "cluster", "acceptance", "tests", "images", "benchmarks"]
)
def test_the_readme_names_every_folder(folder: str) -> None:
    assert (ROOT / folder).is_dir()
    assert f"{folder}/" in README


@pytest.mark.parametrize("image", IMAGES)
def test_the_table_of_images_names_every_one(image: str) -> None:
    name, _, tag = image.removeprefix("docker.io/").removeprefix("library/").partition(":")
    folder, _, short = name.rpartition("/")
    table = (ROOT / "images/README.md").read_text()
    rows = [
        line for line in table.splitlines() if folder in line and re.search(rf"\b{short.removeprefix('kube-')}\b", line)
    ]
    assert any(f":{tag}`" in row for row in rows), f"{image} is not in images/README.md"


def test_the_readme_names_the_servers_that_are_tried() -> None:
    majors = [int(version.partition(".")[0]) for version in SHA256]
    assert majors == [*range(OLDEST, majors[-1] + 1)]
    assert f"PostgreSQL {OLDEST} to {majors[-1]} are tried" in README


def test_every_make_command_in_the_documents_exists() -> None:
    targets = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = {line.split()[0] for line in targets.splitlines()}
    documents = [ROOT / "README.md", *ROOT.glob("docs/*.md"), ROOT / "images/README.md"]
    named = {
        name for path in documents for name in re.findall(r"(?:^    |`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    }
    assert named, "no document names a make target"
    assert named <= known
