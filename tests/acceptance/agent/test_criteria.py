"""What the pages say of the suite's data is what is in there."""

from pathlib import Path

import pytest

from acceptance.agent.criteria import DOCS, TABLES, with_table
from acceptance.harness.errors import ExitCode


@pytest.mark.parametrize("page", TABLES, ids=lambda page: page.name)
def test_a_page_shows_the_data_as_they_are(page: Path) -> None:
    text = page.read_text()
    assert f"<!-- {TABLES[page][0]}: " in text
    assert with_table(page) == text, f"{page.name} is old: run `python -m acceptance.agent.criteria`"


def test_each_exit_code_is_documented() -> None:
    text = (DOCS / "acceptance.md").read_text()
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []
