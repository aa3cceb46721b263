"""What is built can be read by whoever a container runs as, whatever the umask it was built under."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from images import build
from images.recipe import Part
from tests.cluster.conftest import StandIn

# A part whose client of a registry writes a program, and copies a file that only its owner may read.
MADE = Part("go", "made", {"folder": "made"})
IMAGE = Part("image", "one", {"name": "one:1", "folder": "one"})
# docker buildx build ... CONTEXT: the last argument; its files are gone once it returns.
DOCKER = 'for context; do :; done; cd "$context" && find . -mindepth 1 -printf "%m %P\\n" | sort >{modes}'


@pytest.fixture(params=[0o077, 0o022, 0o002], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, _umask: None) -> Path:
    """The folder images/, with a file of each sort, made under the umask of this run; the cache beside it."""
    for name in ("made/etc/settings", "one/Dockerfile", "one/manifests/plain.yaml", "one/run.sh"):
        file = tmp_path / "images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("text")
    file.chmod(0o777 & ~os.umask(os.umask(0)))
    monkeypatch.setattr("images.recipe.HERE", tmp_path / "images")
    monkeypatch.setattr("images.recipe.OF_KIND", {})
    monkeypatch.setattr(build, "CACHE", tmp_path / "cache")
    return tmp_path


def modes(folder: Path) -> dict[str, str]:
    """The modes of all that is in a folder, and its own."""
    return {str(path.relative_to(folder)): f"{path.stat().st_mode & 0o777:o}" for path in (folder, *folder.rglob("*"))}


@pytest.mark.usefixtures("folder")
def test_what_is_cached_may_be_read_and_run_by_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, str]] = []

    def make(_: Part, work: Path) -> None:
        seen.append(modes(work / "etc"))
        (work / "program").touch(0o777)
        (work / "copied").touch(0o400)

    monkeypatch.setitem(build.FILES, "go", make)
    build.build(MADE)
    assert seen == [{".": "755", "settings": "644"}]
    assert modes(build.folder_of(MADE)) == {
        ".": "755",
        "etc": "755",
        "etc/settings": "644",
        "program": "755",
        "copied": "644",
    }


def test_of_the_modes_in_a_checkout_an_image_takes_only_what_can_be_run(folder: Path, stand_in: StandIn) -> None:
    stand_in("docker", DOCKER.format(modes=folder / "seen"))
    build.build(IMAGE)
    assert (folder / "seen").read_text().splitlines() == [
        "644 Dockerfile",
        "644 manifests/plain.yaml",
        "755 manifests",
        "755 run.sh",
    ]
