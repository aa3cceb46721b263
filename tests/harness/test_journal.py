"""The write-ahead journal: nothing that was promised is forgotten."""

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError
from acceptance.harness.journal import Journal

Opened = Callable[[], Journal]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.jsonl"


@pytest.fixture
def undone() -> list[str]:
    return []


@pytest.fixture
def opened(file: Path, undone: list[str]) -> Iterator[Opened]:
    """Opens the journal, as each run does; a step named `fail` cannot be undone."""

    def scale(name: str) -> None:
        if name == "fail":
            raise RuntimeError("the cluster is away")
        undone.append(name)

    with ExitStack() as stack:
        yield lambda: stack.enter_context(closing(Journal(file, {"scale": scale})))


def test_what_a_killed_run_left_is_undone_by_the_next_newest_first(opened: Opened, undone: list[str]) -> None:
    killed = opened()
    killed.promise("scale", name="kafka")
    killed.promise("scale", name="postgres")
    killed.close()

    following = opened()
    assert len(following.undo_all()) == 2
    assert undone == ["postgres", "kafka"]
    assert following.undo_all() == []


def test_an_entry_that_was_undone_is_not_undone_again(opened: Opened, undone: list[str]) -> None:
    journal = opened()
    journal.undo(journal.promise("scale", name="kafka"))
    journal.undo_all()
    assert undone == ["kafka"]


def test_a_half_written_line_is_no_obstacle(opened: Opened, file: Path, undone: list[str]) -> None:
    file.parent.mkdir()
    file.write_text('{"id": "1", "action": "scale", "arguments": {"name": "kafka"}}\n{"id": "2", "acti')
    journal = opened()
    journal.promise("scale", name="postgres")
    journal.undo_all()
    assert undone == ["postgres", "kafka"]


def test_one_step_that_fails_keeps_no_other_from_being_undone(opened: Opened, undone: list[str]) -> None:
    journal = opened()
    journal.promise("scale", name="kafka")
    journal.promise("scale", name="fail")
    with pytest.raises(UndoIncompleteError, match="the cluster is away"):
        journal.undo_all()
    assert undone == ["kafka"]
    assert len(journal.open_entries()) == 1


def test_a_signal_waits_until_an_undo_is_over(file: Path) -> None:
    steps: list[str] = []

    def slow() -> None:
        signal.raise_signal(signal.SIGINT)
        steps.append("undone")

    with closing(Journal(file, {"slow": slow})) as journal:
        entry = journal.promise("slow")
        with pytest.raises(KeyboardInterrupt):
            journal.undo(entry)
        assert steps == ["undone"]
        assert journal.open_entries() == {}


def test_two_runs_never_share_a_cluster(opened: Opened) -> None:
    first = opened()
    with pytest.raises(EnvironmentNotReadyError, match="another run"):
        opened()
    first.close()
    opened()
