"""What the page says of the criteria is what the criteria file says."""

from acceptance.harness.errors import ExitCode
from acceptance.harness.table import PAGE, with_table


def test_the_page_shows_the_criteria_as_they_are() -> None:
    text = PAGE.read_text()
    assert "| `criterion-1-control-plane` |" in text
    assert with_table(text) == text, f"{PAGE.name} is old: run `python -m acceptance.harness.table`"


def test_each_exit_code_is_documented() -> None:
    text = PAGE.read_text()
    assert [code for code in ExitCode if f"| {code.value} |" not in text] == []
