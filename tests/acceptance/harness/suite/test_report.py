"""The reports say what happened, in a shape that others can rely on."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from acceptance.agent.criteria import ENTRIES
from acceptance.harness.errors import UnmetError
from acceptance.harness.suite import report
from acceptance.harness.suite.artifacts import Artifacts, Masking
from acceptance.harness.suite.explanation import Explanation
from acceptance.harness.suite.page import TEMPLATE
from acceptance.harness.suite.report import Result
from acceptance.harness.watching.timeline import Seen, Timeline

SCHEMA = json.loads((Path(report.__file__).parent / "report.schema.json").read_text())


@pytest.fixture
def results() -> list[Result]:
    failed = Result(ENTRIES["criterion-5-ready"])
    failed.fail(Explanation("<200>", "503: hunter2", "", "the broker is away", "", "kubectl get", "", "pytest", "file"))
    passed = Result(ENTRIES["scenario-4-kafka-killed"], ran=True, numbers={"ready_fails_s": (0.5, 2.0)})
    passed.timeline.seen += [
        Seen(10.0, "ready", "200"),
        Seen(11.0, "fault", "killed", detail="kafka"),
        Seen(12.0, "ready", "503"),
        Seen(36.0, "fault", "undone"),
        Seen(40.0, "ready", "200"),
        Seen(41.0, "endpoints", "1"),
    ]
    return [failed, passed, Result(ENTRIES["criterion-4-health"])]


@pytest.fixture
def summary(results: list[Result]) -> dict[str, Any]:
    return {
        "run": "20260101-000000-abcd",
        "exit_code": 1,
        "stopped": "",
        "time_scale": 1.0,
        "tiers": ["default"],
        "forwards": {"fastapi-app/deploy/x": {"opened": 2, "reopened": 1}},
        "results": [result.as_data() for result in results],
    }


def test_every_bound_that_is_exceeded_is_told_at_once() -> None:
    result = Result(ENTRIES["scenario-12-broker-killed-under-load"])
    for name, value, such_as in (
        ("unknown", 1, ""),
        ("lost", 40, "a, b"),
        ("applied_s", 61, ""),
        ("applied_twice", 0, ""),
    ):
        result.measure(name, value, time_scale=1, such_as=such_as)
    result.measure("applied_s", 3, time_scale=1)
    with pytest.raises(UnmetError) as told:
        result.require_bounds()
    assert told.value.expected == "unknown of at most 0; lost of at most 0; applied_s of at most 60"
    assert told.value.seen == "unknown 1 (limit 0); lost 40 (limit 0), such as a, b; applied_s 61 (limit 60)"
    result.require_bounds()


def test_a_bound_that_is_exceeded_is_told_beside_what_else_was_not_met() -> None:
    result = Result(ENTRIES["scenario-12-broker-killed-under-load"])
    result.measure("lost", 40, time_scale=1)
    told = r"expected /ready to be green; lost of at most 0; seen 503; lost 40 \(limit 0\)"
    with pytest.raises(UnmetError, match=told):
        result.require_bounds(UnmetError("/ready to be green", "503", 5))


def test_a_bound_that_is_a_time_is_stretched() -> None:
    result = Result(ENTRIES["scenario-12-broker-killed-under-load"])
    result.measure("applied_s", 119, time_scale=2)
    result.require_bounds()
    result.measure("applied_s", 121, time_scale=2)
    with pytest.raises(UnmetError, match="limit 120"):
        result.require_bounds()


@pytest.fixture
def written(tmp_path: Path, summary: dict[str, Any], results: list[Result]) -> Path:
    timelines: dict[str, Timeline] = {result.entry.id: result.timeline for result in results}
    masking = Masking()
    masking.hide("hunter2")
    artifacts = Artifacts(tmp_path, "run", masking)
    artifacts.create()
    report.write(artifacts, summary, timelines)
    return artifacts.folder


def test_report_json_keeps_to_its_published_schema(written: Path) -> None:
    jsonschema.validate(json.loads((written / "report.json").read_text()), SCHEMA)


def test_summary_has_a_row_for_each_result_and_each_failure(written: Path) -> None:
    text = (written / "summary.md").read_text()
    assert "| ❌ failed | criterion-5-ready |" in text
    assert "ready_fails_s 0.5 (2)" in text
    assert "not run | criterion-4-health" in text
    assert "- cause: the broker is away" in text


def test_page_needs_nothing_from_elsewhere_and_runs_no_script(written: Path) -> None:
    text = (written / "report.html").read_text()
    assert not re.search(r"<script|https?://|@import|url\(", text)
    assert "&lt;200&gt;" in text
    assert "<svg" in text
    assert TEMPLATE.is_valid()


def test_no_report_carries_a_secret(written: Path) -> None:
    assert not [file.name for file in written.rglob("*.*") if "hunter2" in file.read_text()]
