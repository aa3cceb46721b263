"""The criteria and scenarios; `python -m acceptance.agent.criteria` puts tables into docs/ that are made of data."""

from collections.abc import Callable
from pathlib import Path

from acceptance.agent import playbook
from acceptance.harness.suite.catalogue import NAME, Entry, load

FILE = Path(__file__).parents[1] / NAME
CATALOGUE = load(FILE)
ENTRIES = CATALOGUE.entries


DOCS = Path(__file__).parents[2] / "docs"
MADE_BY = "made by `python -m acceptance.agent.criteria`"


def with_table(page: Path) -> str:
    """The page with what is between its two markers made anew."""
    name, table = TABLES[page]
    begin, end = f"<!-- {name}: {MADE_BY} -->", f"<!-- {name} end -->"
    before, _, rest = page.read_text().partition(begin)
    _, _, after = rest.partition(end)
    return before + "\n".join([begin, *table(), end]) + after


def criteria() -> list[str]:
    """Every criterion and scenario."""
    head = ["| id | title | what is checked | bounds | tier |", "|---|---|---|---|---|"]
    return [*head, *map(_row, ENTRIES.values())]


def exceptions() -> list[str]:
    """What the playbook has people type, and what is typed here instead."""
    told = [one for one in playbook.load() if one.instead]
    rows = [f"| `{_cell(one.typed)}` | `{_cell(one.instead)}` | {one.why} |" for one in told]
    return ["| typed there | here | for |", "|---|---|---|", *rows]


def _row(entry: Entry) -> str:
    bounds = ", ".join(f"{name} {value:g}" for name, value in entry.bounds.items())
    return f"| `{entry.id}` | {entry.title} | {entry.checks} | {bounds} | {entry.tier} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


TABLES: dict[Path, tuple[str, Callable[[], list[str]]]] = {
    DOCS / "acceptance.md": ("criteria", criteria),
    DOCS / "migration.md": ("exceptions", exceptions),
}

if __name__ == "__main__":
    for file in TABLES:
        file.write_text(with_table(file))
