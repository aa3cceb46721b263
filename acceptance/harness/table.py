"""`python -m acceptance.harness.table`: puts the criteria and scenarios as a table into the page about the suite."""

from pathlib import Path

from acceptance.harness.catalogue import ENTRIES, Entry

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/acceptance.md"
BEGIN = "<!-- criteria: made by `python -m acceptance.harness.table` -->"
END = "<!-- criteria end -->"


def with_table(page: str) -> str:
    """The page with what is between its two markers made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    head = ["| id | title | what is checked | bounds | tier |", "|---|---|---|---|---|"]
    rows = [_row(entry) for entry in ENTRIES.values()]
    return before + "\n".join([BEGIN, *head, *rows, END]) + after


def _row(entry: Entry) -> str:
    bounds = ", ".join(f"{name} {value:g}" for name, value in entry.bounds.items())
    return f"| `{entry.id}` | {entry.title} | {entry.checks} | {bounds} | {entry.tier} |"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
