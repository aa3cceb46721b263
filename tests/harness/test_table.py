"""What the pages say of the criteria is what the criteria file says."""

from pathlib import Path

import pytest

from acceptance.harness.errors import ExitCode
from acceptance.harness.table import table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", ["docs/acceptance.md", "README.md"])
def test_a_page_shows_the_criteria_as_they_are(page: str) -> None:
    assert table() in (ROOT / page).read_text(), f"{page}: put in what `python -m acceptance.harness.table` prints"


def test_each_exit_code_is_documented() -> None:
    text = (ROOT / "docs/acceptance.md").read_text()
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []
