"""The agent's image is another one whenever anything that goes into it is, and the same whatever the umask."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from cluster import python_images
from cluster.paths import CHECKOUT
from cluster.python_images import AGENT, ALL, Image

# Of each kind of file one: what a line of .dockerignore lets in is followed into every folder.
FILES = (
    "Dockerfile",
    ".dockerignore",
    "requirements.lock",
    "app/main.py",
    "app/database/migrations/0001_initial.sql",
    "app/page.html",
)
MODES = re.compile(r"chmod .*? app(?= )")


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Image:
    """The agent's image, of a checkout with our own .dockerignore."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one")
    shutil.copy(CHECKOUT / ".dockerignore", tmp_path)
    monkeypatch.setattr(python_images, "python_image", lambda: "python:3.13-slim")
    return replace(AGENT, folder=tmp_path)


@pytest.mark.parametrize("changed", FILES)
def test_whatever_goes_into_the_image_makes_another_one(image: Image, changed: str) -> None:
    before = image.content_key()
    assert image.content_key() == before
    with (image.folder / changed).open("a") as file:
        file.write("\n# two")
    assert image.content_key() != before


def test_what_does_not_go_into_it_does_not_count(image: Image) -> None:
    before = image.content_key()
    (image.folder / "README.md").write_text("two")
    (image.folder / "app/__pycache__").mkdir()
    (image.folder / "app/__pycache__/main.pyc").write_text("two")
    assert image.content_key() == before


def test_a_new_version_is_a_new_image_for_it_is_its_name_too(image: Image) -> None:
    names = ("fastapi-dapr-agent:latest", "fastapi-dapr-agent:9.9.9")
    assert replace(image, names=names).content_key() != image.content_key()


@pytest.mark.parametrize("image", ALL, ids=lambda image: image.names[0])
def test_all_that_the_dockerfile_copies_is_hashed(image: Image) -> None:
    copied = re.findall(r"^COPY (?!--from)(\S+)", (image.folder / "Dockerfile").read_text(), re.MULTILINE)
    hashed = {path.relative_to(image.folder).parts[0] for path in image.sources()}
    assert copied
    assert hashed == {"Dockerfile", ".dockerignore", *copied}


@pytest.mark.parametrize("umask", ["077", "022", "002"])
def test_the_modes_of_the_app_do_not_come_from_the_umask(tmp_path: Path, umask: str) -> None:
    made = f"umask {umask}; mkdir -p app/database/migrations; touch app/main.py app/database/migrations/one.sql"
    subprocess.run(["sh", "-ec", made], cwd=tmp_path, check=True)
    found = MODES.search((CHECKOUT / "Dockerfile").read_text())
    assert found
    subprocess.run(found[0].split(), cwd=tmp_path, check=True)
    modes = {oct(path.stat().st_mode & 0o777) for path in tmp_path.rglob("*") if path.is_file()}
    assert modes == {"0o644"}
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in ("app", "app/database/migrations")} == {"0o755"}
