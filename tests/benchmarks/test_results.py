"""What rounds come to: medians beside the agent's, a table, a chart, and what was wrong in any of them."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import page
from benchmarks.chart import NAMES, ROOM, THEMES, chart
from benchmarks.results import Result, Section, lines, table, wrongs
from benchmarks.usage import Usage

SVG = "{http://www.w3.org/2000/svg}"


def result(per_s: float, cpu_us: int = 100, wrong: str = "", throttled: float = 0.0) -> Result:
    """A round with ten events, each of which took so much of one container's CPU."""
    return Result(10, per_s, {"fastapi": Usage(10 * cpu_us, throttled)}, wrong, {"p50": per_s / 100})


FOUND = {
    "agent": [result(100, 50, throttled=0.5), result(400, 40), result(200, 30, throttled=0.25)],
    "plain <&>": [result(400), result(300, wrong="10 events expected, seen 9"), result(500)],
}


def test_medians_are_beside_the_agents() -> None:
    agent, plain = lines(FOUND, "agent")
    assert (agent.per_s, agent.lowest, agent.highest, agent.agents_share) == (200, 100, 400, 1)
    assert (agent.cpu_us, agent.throttled, agent.ms) == ({"fastapi": 40}, 0.25, {"p50": 2})
    assert (plain.name, plain.per_s, plain.agents_share) == ("plain <&>", 400, 0.5)


def test_a_contestant_that_did_nothing_is_no_error() -> None:
    (line,) = lines({"agent": [Result(0, 0.0, {"daprd": Usage(7, 0)}, "refused: 7")]}, "agent")
    assert (line.per_s, line.agents_share, line.cpu_us) == (0, 0, {"daprd": 7})


def test_a_round_that_lost_an_event_has_failed_however_fast_the_others_were() -> None:
    assert wrongs(FOUND) == ["plain <&>: 10 events expected, seen 9"]


def test_the_table_has_a_row_for_each() -> None:
    head, rule, *rows = table(lines(FOUND, "agent"))
    cells = {len(line.strip("|").split("|")) for line in (head, rule, *rows)}
    assert (cells, len(rows)) == ({6}, 2)
    assert "| 400 (300, 500) | 0.50 | 4.0 ms | fastapi 100 | 0% |" in rows[1]


@pytest.mark.parametrize("theme", THEMES)
def test_the_longest_bar_of_a_chart_fits(theme: str) -> None:
    drawn = ET.fromstring(chart(lines(FOUND, "agent"), "agent", theme))  # noqa: S314 - our own
    bars = [float(bar.attrib["width"]) for bar in drawn.iter(f"{SVG}rect")]
    assert bars == [pytest.approx(ROOM * 200 / 500, abs=0.1), pytest.approx(ROOM * 400 / 500, abs=0.1)]
    assert [text.text for text in drawn.iter(f"{SVG}text")] == ["agent", "200/s", "plain <&>", "400/s"]
    assert all(float(text.attrib["x"]) < NAMES + ROOM + 10 for text in drawn.iter(f"{SVG}text"))


def test_the_page_has_every_section_and_its_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "PAGE", tmp_path / "benchmarks.md")
    monkeypatch.setattr(page, "CHARTS", tmp_path / "benchmarks")
    page.write([Section("consume", "A backlog", lines(FOUND, "agent"), [])], "agent")
    text = (tmp_path / "benchmarks.md").read_text()
    assert "## A backlog" in text
    assert "commit " in text
    for theme in THEMES:
        assert f"benchmarks/consume-{theme}.svg" in text
        assert (tmp_path / "benchmarks" / f"consume-{theme}.svg").exists()
