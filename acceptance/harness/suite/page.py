"""The run as one self-contained page, with its timelines drawn."""

from html import escape
from itertools import pairwise
from pathlib import Path
from string import Template
from typing import Any

from acceptance.harness.watching.timeline import Seen, Timeline

WIDTH, LEFT, RIGHT, TOP, LANE, BAR = 900, 110, 20, 24, 26, 14
GOOD = {"200", "answers", "invoked", "acknowledged"}
STEP_S = 5


def chart(timeline: Timeline) -> str:
    """The SVG element."""
    seen = sorted(timeline.seen, key=lambda one: one.at)
    start, end = seen[0].at, max(seen[-1].at, seen[0].at + 1)
    scale = (WIDTH - LEFT - RIGHT) / (end - start)

    def x(at: float) -> float:
        return LEFT + (at - start) * scale

    lanes = sorted({one.name for one in seen} - {"fault"})
    height = TOP + LANE * (len(lanes) + 1) + 24
    parts = [f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="timeline of {escape(", ".join(lanes))}">']
    for second in range(0, int(end - start) + 1, STEP_S):
        at = x(start + second)
        parts.append(f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{height - 20}"/>')
        parts.append(f'<text x="{at:.1f}" y="{height - 5}" text-anchor="middle">{second} s</text>')
    faults = [one for one in seen if one.name == "fault"]
    parts.append(f'<text x="0" y="{TOP + BAR - 2}">fault</text>')
    for one, following in pairwise([*faults, Seen(end, "fault", "undone")]):
        if not one.state.startswith("undone"):
            title = f"<title>{escape(one.state)} {escape(one.detail)}</title>"
            parts.append(_bar("fault", x(one.at), x(following.at), TOP, title))
    for number, name in enumerate(lanes, start=1):
        top = TOP + LANE * number
        parts.append(f'<text x="0" y="{top + BAR - 2}">{escape(name)}</text>')
        parts += [
            _bar(kind, x(since), x(until), top, f"<title>{escape(name)} {escape(state)}</title>")
            for kind, state, since, until in _spans([one for one in seen if one.name == name], end)
        ]
    return "".join([*parts, "</svg>"])


def _spans(seen: list[Seen], end: float) -> list[tuple[str, str, float, float]]:
    """Neighbouring observations of one kind as one span: kind, states, since, until."""
    spans: list[tuple[str, str, float, float]] = []
    for one, following in pairwise([*seen, Seen(end, "", "")]):
        kind, state, since = spans[-1][:3] if spans else ("", "", 0.0)
        if kind == _kind(one):
            told = state if one.state in state.split(", ") else f"{state}, {one.state}"
            spans[-1] = (kind, told, since, following.at)
        else:
            spans.append((_kind(one), one.state, one.at, following.at))
    return spans


def _kind(one: Seen) -> str:
    if one.name == "endpoints":
        return "idle" if one.state == "0" else "good"
    return "good" if one.state in GOOD else "bad"


def _bar(kind: str, since: float, until: float, top: float, title: str) -> str:
    width = max(1.5, until - since)
    return f'<rect class="{kind}" x="{since:.1f}" y="{top}" width="{width:.1f}" height="{BAR}" rx="2">{title}</rect>'


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
