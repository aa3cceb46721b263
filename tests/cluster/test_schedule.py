"""Parts are built side by side, each once what it needs is there."""

from threading import Barrier

import pytest

from cluster.console import SurroundingsError
from images import schedule
from images.recipe import Part

TOOLS = Part("go", "tools", {})
BASE = Part("debian", "base", {})
IMAGE = Part("image", "one", {"name": "one:1"}, (TOOLS, BASE))
PARTS = {part.id: part for part in (TOOLS, BASE, IMAGE)}
MEET_SECONDS = 60


@pytest.fixture(autouse=True)
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """No part is there yet."""
    monkeypatch.setattr(schedule, "is_built", lambda _: False)


def no_engine() -> None:
    """An engine that is there already."""


def test_independent_parts_are_built_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Barrier(2, timeout=MEET_SECONDS)
    built: list[str] = []

    def build(part: Part) -> None:
        if part is not IMAGE:
            meeting.wait()
        built.append(part.id)

    monkeypatch.setattr(schedule, "build", build)
    schedule.build_all(PARTS, no_engine)
    assert sorted(built[:2]) == ["debian.base", "go.tools"]
    assert built[2:] == ["image.one"]


def test_what_is_there_is_not_built_again(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []
    monkeypatch.setattr(schedule, "is_built", lambda part: part is not IMAGE)
    monkeypatch.setattr(schedule, "build", lambda part: built.append(part.id))
    schedule.build_all(PARTS, no_engine)
    assert built == ["image.one"]


def test_what_needs_no_engine_is_built_while_one_is_made_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    meeting = Barrier(2, timeout=MEET_SECONDS)
    done: list[str] = []

    def engine() -> None:
        meeting.wait()
        done.append("engine")

    def build(part: Part) -> None:
        if part is TOOLS:
            meeting.wait()
        else:
            done.append(part.id)

    monkeypatch.setattr(schedule, "build", build)
    schedule.build_all(PARTS, engine)
    assert done == ["engine", "debian.base", "image.one"]


def test_only_images_ask_for_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine() -> None:
        raise SurroundingsError("no engine")

    monkeypatch.setattr(schedule, "build", lambda _: None)
    schedule.build_all({TOOLS.id: TOOLS}, engine)
    with pytest.raises(SurroundingsError, match="no engine"):
        schedule.build_all(PARTS, engine)


def test_a_failure_is_raised_and_nothing_is_built_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[str] = []

    def build(part: Part) -> None:
        if part is TOOLS:
            raise SurroundingsError("no such module")
        built.append(part.id)

    monkeypatch.setattr(schedule, "build", build)
    with pytest.raises(SurroundingsError, match="no such module"):
        schedule.build_all(PARTS, no_engine)
    assert "image.one" not in built
