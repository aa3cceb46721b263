"""`python -m acceptance.harness.table`: puts the criteria and scenarios as a table into README.md and the docs."""

from collections.abc import Collection
from pathlib import Path

from acceptance.harness.catalogue import ENTRIES, TIERS, Entry

ROOT = Path(__file__).parents[2]
PAGES = {ROOT / "README.md": TIERS[:1], ROOT / "docs/acceptance.md": TIERS}
"""The pages that show a table, and the tiers that each shows."""
BEGIN = "<!-- criteria: made by `python -m acceptance.harness.table` -->"
END = "<!-- criteria end -->"


def with_table(page: str, tiers: Collection[str]) -> str:
    """The page with what is between its two markers made anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    head = ["| id | title | what is checked | bounds | tier |", "|---|---|---|---|---|"]
    rows = [_row(entry) for entry in ENTRIES.values() if entry.tier in tiers]
    return before + "\n".join([BEGIN, *head, *rows, END]) + after


def _row(entry: Entry) -> str:
    bounds = ", ".join(f"{name} {value:g}" for name, value in entry.bounds.items())
    return f"| `{entry.id}` | {entry.title} | {entry.checks} | {bounds} | {entry.tier} |"


if __name__ == "__main__":
    for file, tiers in PAGES.items():
        file.write_text(with_table(file.read_text(), tiers))
