"""The criteria file: well formed, complete, and the only source."""

from pathlib import Path

import pytest

from acceptance.agent.criteria import ENTRIES
from acceptance.harness.suite.catalogue import load


def test_the_default_tier_is_every_criterion_and_then_the_four_scenarios() -> None:
    criteria = [entry.id for entry in ENTRIES.values() if entry.kind == "criterion"]
    default = [entry.id for entry in ENTRIES.values() if entry.tier == "default"]
    assert list(ENTRIES)[: len(default)] == default
    assert default[:-4] == criteria
    assert [one.split("-")[1] for one in criteria] == [str(number + 1) for number in range(len(criteria))]
    assert [one.split("-")[:2] for one in default[-4:]] == [["scenario", str(number)] for number in range(1, 5)]


@pytest.mark.parametrize("entry_id", ENTRIES)
def test_an_entry_says_what_it_checks_and_has_a_bound(entry_id: str) -> None:
    entry = ENTRIES[entry_id]
    assert entry.title
    assert entry.checks
    assert entry.bounds


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[[criterion]]\nid = "a"\ntitle = "t"', "criterion a"),
        ('[[criterion]]\nid = "a"\ntitle = "t"\nchecks = "c"\nbuonds = {}', "buonds"),
        ('[[criterion]]\nid = "a"\ntitle = "t"\nchecks = "c"\ntier = "never"', "tier"),
        ('[[criterion]]\nid = "a"\ntitle = "t"\nchecks = "c"\n' * 2, "its id is taken"),
    ],
)
def test_an_entry_that_is_not_well_formed_is_named(tmp_path: Path, text: str, named: str) -> None:
    file = tmp_path / "criteria.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=named):
        load(file)
