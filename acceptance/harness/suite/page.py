"""The run as one self-contained page."""

from html import escape
from pathlib import Path
from string import Template
from typing import Any

from acceptance.harness.suite.chart import chart
from acceptance.harness.watching.timeline import Timeline

TEMPLATE = Template(Path(__file__).with_name("page.html").read_text())
LEGEND = (
    '<p class="legend"><span><b style="background:var(--good)"></b>answers, ready</span>'
    '<span><b style="background:var(--bad)"></b>fails, silent or refused</span>'
    '<span><b style="background:var(--warn)"></b>fault</span></p>'
)


def page(summary: dict[str, Any], timelines: dict[str, Timeline]) -> str:
    """The whole page; needs no network and no script."""
    results = summary["results"]
    passed = sum(result["outcome"] == "passed" for result in results)
    return TEMPLATE.substitute(
        run=escape(summary["run"]),
        verdict=f"{passed} of {len(results)} hold",
        verdict_class="passed" if summary["exit_code"] == 0 else "failed",
        exit_code=summary["exit_code"],
        tiers=escape(", ".join(summary["tiers"])),
        time_scale=f"{summary['time_scale']:g}",
        stopped=escape(summary["stopped"]),
        rows="\n".join(map(_row, results)),
        failures="".join(_failures(result) for result in results),
        timelines=_timelines(results, timelines),
        forwards="\n".join(map(_forward, summary["forwards"].items())),
    )


def _row(result: dict[str, Any]) -> str:
    outcome = result["outcome"]
    return (
        f'<tr><td class="outcome {outcome.replace(" ", "-")}">{outcome}</td>'
        f'<td><b>{escape(result["title"])}</b><br><span class="dim">{escape(result["checks"])}</span><br>'
        f'<code class="dim">{escape(result["id"])}</code></td>'
        f'<td><ul class="numbers">{"".join(map(_number, result["numbers"].items()))}</ul></td>'
        f'<td class="number wide">{result["duration_s"]:.1f}</td></tr>'
    )


def _forward(item: tuple[str, dict[str, int]]) -> str:
    name, counts = item
    cells = "".join(f'<td class="number">{counts[key]}</td>' for key in ("opened", "reopened"))
    return f"<tr><td>{escape(name)}</td>{cells}</tr>"


def _number(item: tuple[str, dict[str, Any]]) -> str:
    name, (value, bound) = item[0], (item[1]["value"], item[1]["bound"])
    if bound is None:
        return f"<li><span>{escape(name)}</span><span>{value:g}</span></li>"
    over = value > bound
    share = 100.0 if over else 100 * value / bound if bound else 0.0
    return (
        f"<li><span>{escape(name)}</span><span>{value:g} of {bound:g}</span>"
        f'<span class="bar{" over" if over else ""}"><i style="width:{share:.0f}%"></i></span></li>'
    )


def _failures(result: dict[str, Any]) -> str:
    return "".join(
        f'<h3 class="failed">{escape(result["title"])}</h3><div class="failure"><dl>'
        + "".join(f"<dt>{name}</dt><dd>{escape(text)}</dd>" for name, text in failure.items() if text)
        + "</dl></div>"
        for failure in result["failures"]
    )


def _timelines(results: list[dict[str, Any]], timelines: dict[str, Timeline]) -> str:
    drawn = [
        f'<h3>{escape(result["title"])}</h3><div class="scroll">{chart(timelines[result["id"]])}</div>'
        for result in results
        if timelines[result["id"]].seen
    ]
    return f"<h2>Timelines</h2>{LEGEND}{''.join(drawn)}" if drawn else ""
