"""A timeline as SVG: a lane for each thing that was watched, faults as bands, all on one clock."""

from html import escape
from itertools import pairwise

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
