"""What the pages say of the criteria is what the criteria file says."""

from collections.abc import Collection
from pathlib import Path

import pytest

from acceptance.harness.errors import ExitCode
from acceptance.harness.table import PAGES, ROOT, with_table


@pytest.mark.parametrize(("page", "tiers"), PAGES.items(), ids=[page.name for page in PAGES])
def test_a_page_shows_the_criteria_as_they_are(page: Path, tiers: Collection[str]) -> None:
    text = page.read_text()
    assert "| `criterion-1-control-plane` |" in text
    assert with_table(text, tiers) == text, f"{page.name} is old: run `python -m acceptance.harness.table`"


def test_each_exit_code_is_documented() -> None:
    text = (ROOT / "docs/acceptance.md").read_text()
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []
