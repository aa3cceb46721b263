"""`docs/benchmarks.md`, written anew by each run of all comparisons: tables and charts, machine and commit."""

import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chart import THEMES, chart
from benchmarks.results import Section, table

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "benchmarks.md"
CHARTS = ROOT / "docs" / "benchmarks"
INTRODUCTION = """# Benchmarks

Written by `make benchmark`: {when}, {commit}, {cores} cores of {processor}, {memory:.0f} GiB; cluster, backends and
clients are all on it.

Contestants take turns in one run, so ratios carry over to another machine; figures do not. Each has the agent's limits
unless it says otherwise: half a core for the container, one for its sidecar. All write to Kafka with `acks=all` and to
the same PostgreSQL with `fsync`, and an event takes effect once however often it comes. Then the ledger is compared:
each event that was accepted took effect, once, or the run has failed. Medians, with the least and the most of rounds;
throttled is the share of the scheduler's periods in which a limit held up the container that was held up most.

The services beside the agent are in `benchmarks/services/`. What an event costs in the process alone says
`python -m benchmarks.cpu`.
"""


def write(sections: Sequence[Section], agent: str) -> None:
    """Write page and charts."""
    CHARTS.mkdir(exist_ok=True)
    parts = [INTRODUCTION.format(**_machine())]
    for section in sections:
        for theme in THEMES if section.is_charted else ():
            (CHARTS / f"{section.name}-{theme}.svg").write_text(chart(section.lines, agent, theme))
        picture = [_picture(section), ""] * section.is_charted
        parts.append("\n".join([f"## {section.title}\n", *picture, *table(section.lines), ""]))
    PAGE.write_text("\n".join(parts))


def _picture(section: Section) -> str:
    dark, light = (f"benchmarks/{section.name}-{theme}.svg" for theme in ("dark", "light"))
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{dark}">'
        f'<img alt="Events a second of each contestant, as in the table" src="{light}"></picture>'
    )


def _machine() -> dict[str, object]:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    processor = next(
        line.partition(":")[2].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    return {
        "when": datetime.now(UTC).date().isoformat(),
        "commit": f"commit {commit.stdout.strip()}",
        "cores": os.cpu_count(),
        "processor": processor,
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30,
    }
