"""`python -m acceptance.harness.table`: the criteria and scenarios as the table that README.md and the docs show."""

import sys

from acceptance.harness.catalogue import ENTRIES, Entry

BEGIN = "<!-- criteria: made by `python -m acceptance.harness.table` -->"
END = "<!-- criteria end -->"


def table() -> str:
    """The Markdown between the two markers, and the markers."""
    head = ["| id | title | what is checked | bounds | tier |", "|---|---|---|---|---|"]
    return "\n".join([BEGIN, *head, *map(_row, ENTRIES.values()), END])


def _row(entry: Entry) -> str:
    bounds = ", ".join(f"{name} {value:g}" for name, value in entry.bounds.items())
    return f"| `{entry.id}` | {entry.title} | {entry.checks} | {bounds} | {entry.tier} |"


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
