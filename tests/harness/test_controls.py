"""The negative controls as data: complete, and compared with what a run saw."""

from typing import Any

import pytest

from acceptance.controls.__main__ import differences
from acceptance.controls.catalogue import Control, load
from acceptance.harness.catalogue import ENTRIES

CONTROL = Control(id="a", runs=(), red=frozenset({"criterion-4-health", "criterion-5-ready"}), cause="the broker")


def seen(**outcomes: str) -> dict[str, Any]:
    """A report with an outcome for each entry that is named by its number."""
    ids = {entry_id.split("-")[1]: entry_id for entry_id in ENTRIES if entry_id.startswith("criterion")}
    failures = [{"cause": "the broker is away"}]
    return {
        "results": [
            {"id": ids[number[1:]], "outcome": outcome, "failures": failures if outcome == "failed" else []}
            for number, outcome in outcomes.items()
        ]
    }


def test_each_entry_of_the_first_two_tiers_is_the_first_red_of_a_control() -> None:
    first = {control.first_red for control in load().values()}
    wanted = {entry.id for entry in ENTRIES.values() if entry.tier in ("default", "faults")}
    assert wanted - first == set()


def test_what_was_declared_and_seen_makes_no_difference() -> None:
    assert list(differences(CONTROL, seen(n4="failed", n5="failed", n6="passed"))) == []


@pytest.mark.parametrize(
    ("outcomes", "difference"),
    [
        ({"n4": "failed", "n5": "passed"}, "criterion-5-ready should be red"),
        ({"n4": "failed", "n5": "failed", "n6": "failed"}, "criterion-6-query should be green"),
        ({"n4": "failed", "n5": "failed", "n6": "not run"}, "criterion-6-query should be green"),
    ],
)
def test_each_difference_is_named(outcomes: dict[str, str], difference: str) -> None:
    assert list(differences(CONTROL, seen(**outcomes))) == [difference]


def test_a_cause_that_was_not_named_is_a_difference() -> None:
    other = Control(id="a", runs=(), red=CONTROL.red, cause="the database")
    assert "should name 'the database'" in " ".join(differences(other, seen(n4="failed", n5="failed")))
