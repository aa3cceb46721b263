"""A bar chart as SVG: events a second of each contestant."""

from collections.abc import Sequence
from html import escape

from benchmarks.results import Line

THEMES = {
    "light": {"text": "#1f2328", "agent": "#0969da", "other": "#afb8c1", "spread": "#57606a"},
    "dark": {"text": "#e6edf3", "agent": "#4493f8", "other": "#484f58", "spread": "#9198a1"},
}
WIDTH, NAMES, ROW, BAR = 760, 210, 30, 18
ROOM = WIDTH - NAMES - 90
"""For the longest bar; its figure is behind it."""


def chart(lines: Sequence[Line], agent: str, theme: str) -> str:
    """A bar for each contestant, the agent's in another colour, with a line from its least to its most."""
    colours, scale = THEMES[theme], ROOM / max(one.highest for one in lines)
    text = f'font-family="system-ui, sans-serif" font-size="13" fill="{colours["text"]}"'
    rows = []
    for number, one in enumerate(lines):
        top = number * ROW + (ROW - BAR) // 2
        middle, least, most = top + BAR / 2, NAMES + one.lowest * scale, NAMES + one.highest * scale
        colour = colours["agent" if one.name == agent else "other"]
        rows += [
            f'<text x="{NAMES - 8}" y="{middle + 4.5}" text-anchor="end" {text}>{escape(one.name)}</text>',
            f'<rect x="{NAMES}" y="{top}" width="{one.per_s * scale:.1f}" height="{BAR}" rx="2" fill="{colour}"/>',
            f'<path d="M{least:.1f} {middle}H{most:.1f}" stroke="{colours["spread"]}" stroke-width="2"/>',
            f'<text x="{most + 8:.1f}" y="{middle + 4.5}" {text}>{one.per_s:,.0f}/s</text>',
        ]
    size = f'width="{WIDTH}" height="{len(lines) * ROW}" viewBox="0 0 {WIDTH} {len(lines) * ROW}"'
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" role="img" {size}>', *rows, "</svg>", ""])
