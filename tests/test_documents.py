"""The documents name what there is: routes, overlays, make targets, images."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

from app.database.postgres import OLDEST
from cluster.servers import SHA256
from images.recipe import parts
from tests.app.fuzz.document import DOCUMENT

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")), ROOT / "images/README.md"]
PAGES = (
    "architecture",
    "events",
    "recovery",
    "limits",
    "acceptance",
    "own-service",
    "contributing",
    "migration",
    "benchmarks",
)
LINK = re.compile(r"\]\(([^)#]+)(?:#[^)]*)?\)")
# `app/consume/effects.py`, `docs/`, `base/dapr/pubsub.yaml`; not a topic's partition, a command, or what a run leaves
FILE = re.compile(
    r"`((?:app|base|components|overlays|cluster|acceptance|tests|images|benchmarks|docs|harness|examples|\.github)/[\w./-]*)`"
)
MODULE = re.compile(r"python -m ([a-z][\w.]*)")
SUITE = re.compile(r"(?:^ *(?:\$ )?|`)(pytest acceptance[^#`\n]*)", re.MULTILINE)
KUSTOMIZATION = re.compile(r"kubectl (?:apply|delete) -k (\S+)")
CALLS = sorted({call.strip() for path in DOCUMENTS for call in SUITE.findall(path.read_text())})
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
    "folder",
    ["app", "base", "components", "overlays", "cluster", "acceptance", "tests", "images", "benchmarks", "examples"],
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


def test_the_servers_that_are_tried_are_named() -> None:
    majors = [int(version.partition(".")[0]) for version in SHA256]
    assert majors == [*range(OLDEST, majors[-1] + 1)]
    assert f"PostgreSQL {OLDEST} to {majors[-1]} are tried" in (ROOT / "docs/recovery.md").read_text()


def test_every_make_command_in_the_documents_exists() -> None:
    targets = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    known = {line.split()[0] for line in targets.splitlines()}
    named = {
        name for path in DOCUMENTS for name in re.findall(r"(?:^    |`)make ([a-z-]+)", path.read_text(), re.MULTILINE)
    }
    assert named, "no document names a make target"
    assert named <= known


def test_the_readme_is_short_and_so_is_the_page_about_the_suite() -> None:
    assert len(README.split()) <= 900
    beside_tables = [
        line for line in (ROOT / "docs/acceptance.md").read_text().splitlines() if not line.startswith("|")
    ]
    assert len(" ".join(beside_tables).split()) <= 1200


def test_the_readme_leads_to_every_page() -> None:
    assert [page for page in PAGES if f"(docs/{page}.md)" not in README] == []
    assert {path.stem for path in ROOT.glob("docs/*.md")} == set(PAGES)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    text = document.read_text()
    links = [document.parent / link for link in LINK.findall(text) if "://" not in link]
    files = [ROOT / re.sub("^harness/", "acceptance/harness/", file) for file in FILE.findall(text)]
    files += [ROOT / folder for folder in KUSTOMIZATION.findall(text)]
    assert [str(path) for path in (*links, *files) if not path.exists()] == []
    assert [name for name in MODULE.findall(text) if importlib.util.find_spec(name) is None] == []


@pytest.mark.parametrize("call", CALLS)
def test_every_call_of_the_suite_in_the_documents_is_one_that_it_takes(call: str) -> None:
    command = [sys.executable, "-m", *call.split(), *(["--plan"] if "--help" not in call else [])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
