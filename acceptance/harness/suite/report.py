"""The run's reports: report.json (see report.schema.json), summary.md, report.html, and a timeline per entry."""

import json
from typing import Any

from acceptance.harness.suite.artifacts import Artifacts
from acceptance.harness.suite.page import page
from acceptance.harness.watching.timeline import Timeline

MARKS = {"passed": "✅ passed", "failed": "❌ failed", "not run": "⚠️ not run", "not applicable": "⚪ not applicable"}
HEAD = "| | id | title | seconds | numbers (bound) |\n|---|---|---|---|---|"


def write(artifacts: Artifacts, summary: dict[str, Any], timelines: dict[str, Timeline]) -> None:
    """Write every report of a run into its folder."""
    texts = {
        "report.json": json.dumps(summary, indent=2, ensure_ascii=False) + "\n",
        "summary.md": markdown(summary),
        "report.html": page(summary, timelines),
    }
    texts |= {f"timeline/{entry}.jsonl": "\n".join(seen.lines()) for entry, seen in timelines.items() if seen.seen}
    for name, text in texts.items():
        artifacts.keep(name, text)


def markdown(summary: dict[str, Any]) -> str:
    """The run as a table, for the summary of a CI step."""
    facts = f"Exit code {summary['exit_code']}, time scale {summary['time_scale']:g}. {summary['stopped']}"
    lines = [f"# Acceptance run {summary['run']}", "", facts, "", HEAD]
    for result in summary["results"]:
        cells = [MARKS[result["outcome"]], result["id"], result["title"], f"{result['duration_s']:.1f}"]
        cells.append(", ".join(numbers(result)) or result["reason"])
        lines.append(f"| {' | '.join(cells)} |")
    for result in summary["results"]:
        for failure in result["failures"]:
            lines += ["", f"## {result['id']}", "", *(f"- {name}: {text}" for name, text in failure.items() if text)]
    return "\n".join(lines) + "\n"


def numbers(result: dict[str, Any]) -> list[str]:
    """Each number of a result with its bound in parentheses."""
    return [
        f"{name} {one['value']:g}" + ("" if one["bound"] is None else f" ({one['bound']:g})")
        for name, one in result["numbers"].items()
    ]
