"""The run's reports: report.json and summary.md."""

import json
from pathlib import Path
from typing import Any

MARKS = {"passed": "✅ passed", "failed": "❌ failed", "not run": "⚠️ not run"}


def write(folder: Path, summary: dict[str, Any]) -> None:
    """Write every report of a run into its folder."""
    (folder / "report.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    (folder / "summary.md").write_text(markdown(summary))


def markdown(summary: dict[str, Any]) -> str:
    """The run as a table, for the summary of a CI step."""
    lines = [
        f"# Acceptance run {summary['run']}",
        "",
        f"Exit code {summary['exit_code']}, time scale {summary['time_scale']:g}. {summary['stopped']}",
        "",
        "| | id | title | seconds | numbers (bound) |",
        "|---|---|---|---|---|",
    ]
    for result in summary["results"]:
        numbers = ", ".join(
            f"{name} {one['value']:g}" + (f" ({one['bound']:g})" if one["bound"] is not None else "")
            for name, one in result["numbers"].items()
        )
        lines.append(
            f"| {MARKS[result['outcome']]} | {result['id']} | {result['title']} | {result['duration_s']:.1f} | {numbers} |"
        )
    for result in summary["results"]:
        for failure in result["failures"]:
            lines += ["", f"## {result['id']}", "", *(f"- {name}: {text}" for name, text in failure.items() if text)]
    return "\n".join(lines) + "\n"
