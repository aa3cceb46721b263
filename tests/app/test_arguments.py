"""What operators may say: as make hands it on, and as the commands read it."""

import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.commands.arguments import Replay, read_listing, read_replay
from app.database.pages import Place
from app.dead_letters.selection import Selection

ROOT = Path(__file__).resolve().parent.parent.parent
TOKEN = str(Place(datetime(2026, 1, 1, tzinfo=UTC), "agent-events/3:7/sha256:x"))


def by_make(target: str, *variables: str, **environment: str) -> list[str]:
    """What the agent's command gets behind its name from `make`."""
    shell = {"PATH": "/usr/bin:/bin", **environment}
    words = ["make", "--silent", target, r"KUBECTL=printf '%s\n'", *variables]
    said = subprocess.run(words, cwd=ROOT, env=shell, capture_output=True, text=True, check=True).stdout
    return said.partition(f"\n{target}\n")[2].splitlines()


def test_make_hands_on_what_it_is_given_word_by_word() -> None:
    given = by_make(
        "replay", "ID=a * -c", "SOURCE=", "KEY=k 1", """REASON=it's "x" * $$(id)""", "PARTITION=agent-events/3",
        "OFFSET=7", "SINCE=2h", "UNTIL=1h", "REPLAYED=no", "LIMIT=5", "DRY_RUN=1",
    )  # fmt: skip
    selection, *others = read_replay(given)
    assert others == [5, True]
    assert selection == Selection(
        ids=("a", "*", "-c"),
        source="",
        key="k 1",
        reason="""it's "x" * $(id)""",
        since=selection.since,
        until=selection.until,
        partition="agent-events/3",
        offset=7,
        replayed=False,
    )
    assert selection.since
    assert selection.until
    assert abs(selection.until - selection.since - timedelta(hours=1)) < timedelta(minutes=1)


def test_make_hands_on_a_page_and_the_wish_for_json() -> None:
    listing = read_listing(by_make("dead-letters", f"BEFORE={TOKEN}", "JSON=1"))
    assert listing.before == Place.read(TOKEN)
    assert (listing.as_json, listing.selection) == (True, Selection())


def test_what_happens_to_be_in_the_environment_chooses_no_letter() -> None:
    assert by_make("replay", ID="x", KEY="k", SOURCE="s", ALL="1") == []
    assert by_make("replay", "ALL=1", KEY="k") == ["--all"]


def test_without_ids_what_was_replayed_is_left_unless_it_is_asked_for() -> None:
    assert read_replay(["--all"]) == Replay(Selection(replayed=False))
    assert read_replay(["--all", "--replayed", "yes"]).selection.replayed is True
    assert read_replay(["x", "--offset", "7"]).selection == Selection(ids=("x",), offset=7)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "which ones? Name ids or a filter, or say --all"),
        (["--dry-run"], "which ones?"),
        (["--since", "yesterday"], "expected a time such as"),
        (["--partition", "3"], "expected topic/number, as in the list, got '3'"),
        (["--offset", "-1"], "expected a number, got '-1'"),
        (["--offset", "9" * 19], "expected a number"),
        (["--replayed", "maybe"], "expected yes or no"),
        (["a\0b"], "must not contain the character NUL"),
        (["\udcff"], "must not contain a lone surrogate"),
        (["--dry", "x"], "unrecognized arguments: --dry"),
    ],
)
def test_a_mistake_is_told_by_name(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read_replay(arguments)
    assert ended.value.code == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--limit", "0"], "expected 1 to 1000, got '0'"),
        (["--before", "x"], "expected what the page before it ended with"),
    ],
)
def test_a_page_that_cannot_be_is_refused(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_listing(arguments)
    assert told in capsys.readouterr().err
