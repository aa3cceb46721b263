"""How a run ends, and what it says: a suite of its own is run for each case."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from acceptance.harness.suite import selection

pytest_plugins = ["pytester"]

CONFTEST = """
import pytest
from acceptance.agent.options import TABLE, parse
from acceptance.harness.suite import options

@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    config.stash[options.SHORT] = True
    parse(config)

def pytest_addoption(parser):
    options.add(parser, TABLE, prefix="")
    options.add(parser, prefix="")

@pytest.fixture(scope="session")
def observed():
    pass
"""
CRITERIA = """
system = "another"

[[criterion]]
id = "criterion-4-health"
title = "one"
checks = "a test of a case"

[[criterion]]
id = "criterion-5-ready"
title = "another"
checks = "a test of a case"

[[criterion]]
id = "criterion-6-bounded"
title = "bounded"
checks = "a number is small"
bounds = {answer_s = 2}
"""
TEST = """
import pytest
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError, UnmetError

@pytest.fixture(scope="session")
def undone():
    yield
    {afterwards}

@pytest.fixture(scope="session")
def also_undone():
    yield
    {also_afterwards}

@proves("criterion-4-health")
def test_one(entry, undone, also_undone):
    {one}

@proves("criterion-5-ready")
def test_another(entry):
    {another}
"""
UNMET = 'raise UnmetError("200", "503: the broker is away", 1.5)'
NOT_READY = 'raise EnvironmentNotReadyError("the fault did not bite")'
NOT_UNDONE = 'raise UndoIncompleteError("scale kafka")'
ALSO_NOT_UNDONE = 'raise UndoIncompleteError("remove toolbox")'
SIGNALLED = 'import signal; signal.raise_signal(signal.SIGINT); open("{}", "w").close()'
BROKEN = "def"
INTERRUPT = "raise KeyboardInterrupt"


class Suite:
    """Runs pytest on two tests whose steps a case fills in."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.folder = pytester.path
        self._pytester = pytester
        pytester.makeconftest(CONFTEST)
        (pytester.path / "criteria.toml").write_text(CRITERIA)

    def run(self, *arguments: str, template: str = TEST, **steps: str) -> int:
        """The exit code; what was printed is in `output`."""
        every = dict.fromkeys(("one", "another", "afterwards", "also_afterwards"), "pass")
        self._pytester.makepyfile(test_it=template.format(**every | steps))
        plugins = ("-p", "no:schemathesis", "-p", "no:hypothesispytest", "-p", "acceptance.harness.plugin")
        done = self._pytester.runpytest_inprocess(*plugins, *arguments, no_reraise_ctrlc=True)
        self.output = done.stdout.str() + done.stderr.str()
        return int(done.ret)


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    return Suite(pytester)


@pytest.mark.parametrize(
    ("code", "steps"),
    [
        (0, {}),
        (1, {"one": UNMET}),
        (2, {"another": INTERRUPT}),
        (10, {"one": NOT_READY}),
        (1, {"one": UNMET, "another": NOT_READY}),
        (2, {"one": UNMET, "another": INTERRUPT}),
        (11, {"afterwards": NOT_UNDONE}),
        (11, {"one": NOT_READY, "another": UNMET, "afterwards": NOT_UNDONE}),
        (11, {"another": INTERRUPT, "afterwards": NOT_UNDONE}),
        (11, {"afterwards": NOT_UNDONE, "also_afterwards": ALSO_NOT_UNDONE}),
        (11, {"afterwards": NOT_UNDONE, "also_afterwards": UNMET}),
        (11, {"another": INTERRUPT, "afterwards": NOT_UNDONE, "also_afterwards": ALSO_NOT_UNDONE}),
        (4, {"one": BROKEN}),
    ],
)
def test_the_exit_code_tells_what_most_needs_a_hand(suite: Suite, code: int, steps: dict[str, str]) -> None:
    assert suite.run(**steps) == code, suite.output


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (4, ["--time-scale=soon"]),
        (4, ["--seed=heads"]),
        (4, ["-n", "2"]),
        (4, ["--cluster=somewhere"]),
        (4, ["--overlay=production"]),
        (4, ["--overlay=production", "--plan"]),
        (5, ["-k", "no-such-criterion"]),
    ],
)
def test_a_run_that_tests_nothing_does_not_pass(suite: Suite, code: int, arguments: list[str]) -> None:
    assert suite.run(*arguments) == code, suite.output


@pytest.mark.parametrize("before", ["pass", INTERRUPT])
def test_another_signal_waits_until_everything_is_undone(suite: Suite, before: str) -> None:
    steps = {"afterwards": SIGNALLED.format("undone"), "also_afterwards": SIGNALLED.format("also-undone")}
    assert suite.run(another=before, **steps) == 2
    assert (suite.folder / "undone").exists()
    assert (suite.folder / "also-undone").exists()
    assert (suite.folder / "artifacts" / "latest" / "report.json").exists()


@pytest.mark.parametrize("interrupted", ["pass", INTERRUPT])
def test_undos_that_failed_together_are_all_named_and_reported(suite: Suite, interrupted: str) -> None:
    suite.run(another=interrupted, afterwards=NOT_UNDONE, also_afterwards=ALSO_NOT_UNDONE)
    report = json.loads((suite.folder / "artifacts/latest/report.json").read_text())
    assert report["exit_code"] == 11
    for told in (report["stopped"] or report["results"][-1]["failures"][0]["seen"], suite.output):
        assert "scale kafka" in told
        assert "remove toolbox" in told


def test_a_test_file_that_cannot_be_read_is_shown(suite: Suite) -> None:
    suite.run(one=BROKEN)
    assert "SyntaxError" in suite.output
    assert "interrupted" not in suite.output.lower()


def test_what_failed_last_time_is_run_again_though_that_is_not_all_there_is(suite: Suite) -> None:
    assert suite.run(one=UNMET) == 1
    assert suite.run("--last-failed", one=UNMET) == 1
    assert "1 failed" in suite.output
    assert "passed" not in suite.output
    assert suite.run("--last-failed") == 0


def test_a_tier_is_chosen_by_its_mark(suite: Suite) -> None:
    assert suite.run("-m", "default") == 0
    assert suite.run("-m", "faults") == 5


def test_an_overlay_of_the_environment_is_held_against_those_there_are(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCEPTANCE_OVERLAY", "production")
    assert suite.run() == 4
    assert "existing-backends" in suite.output


def test_what_fixtures_create_may_take_longer_than_the_net_around_a_test(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "NET_S", 2)
    monkeypatch.setattr(selection, "NET_FACTOR", 0)
    slow = "import time; time.sleep(2.5)"
    assert suite.run(afterwards=slow) == 0, suite.output
    assert suite.run(one=slow) == 1
    assert "Timeout" in suite.output


def test_a_plan_touches_nothing(suite: Suite) -> None:
    assert suite.run("--plan", one=UNMET) == 0
    assert not (suite.folder / "artifacts").exists()
    assert "criterion-4-health" in suite.output


def test_a_failure_explains_itself_in_ten_lines_and_in_junit(suite: Suite) -> None:
    suite.run(one=UNMET)
    lines = suite.output.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("expected:"))
    end = next(number for number, line in enumerate(lines) if number > start and line.startswith(("-", "=")))
    told = dict(line.split(":", 1) for line in lines[start:end])
    assert end - start <= 10
    assert list(told) == ["expected", "seen", "since", "cause", "rerun", "details"]
    assert told["seen"].strip() == "503: the broker is away"

    report = ET.parse(suite.folder / "artifacts" / "latest" / "junit.xml")  # noqa: S314 -- we wrote it
    failure = report.find(".//failure")
    assert failure is not None
    assert "the broker is away" in failure.attrib["message"]
    assert {one.attrib["name"] for one in report.iterfind(".//property")} == {"retries"}


UNSTEADY = """
import pytest
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.errors import UnsteadyError

@pytest.fixture
def broken():
    yield
    raise UnsteadyError("the steady state", "/ready answers 503")

@proves("criterion-4-health")
def test_one(entry, broken):
    {one}

@proves("criterion-5-ready")
def test_another(entry):
    {another}
"""


def test_nothing_is_tried_on_a_system_that_a_fault_has_left_unsteady(suite: Suite) -> None:
    assert suite.run(template=UNSTEADY, another=SIGNALLED.format("another-ran")) == 1
    assert "not steady after criterion-4-health: expected the steady state; seen /ready answers 503" in suite.output
    assert not (suite.folder / "another-ran").exists()


BOUNDED = """
import pytest
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.suite.numbers import most

@pytest.fixture
def judged(judge):
    yield
    judge(most("answer_s", {afterwards}))

@proves("criterion-6-bounded")
def test_one(entry, judge, judged):
    judge(most("answer_s", {within}))
    {then}
"""


@pytest.mark.parametrize(
    ("seconds", "then", "code"),
    [
        ((1, 2), "pass", 0),
        ((3, 1), "pass", 1),
        ((1, 3), "pass", 1),
        ((3, 1), NOT_READY, 1),
        ((1, 1), NOT_READY, 10),
        ((3, 1), "max([])", 1),
    ],
)
def test_a_bound_that_is_exceeded_is_red_whoever_judges_and_whatever_else_went_wrong(
    suite: Suite, seconds: tuple[int, int], then: str, code: int
) -> None:
    within, afterwards = map(str, seconds)
    assert suite.run(template=BOUNDED, within=within, afterwards=afterwards, then=then) == code
    assert ("answer_s 3 (limit 2)" in suite.output) == (code == 1)
    beside = re.search(r"^seen: .*Error\(.*; answer_s 3 \(limit 2\)", suite.output, re.MULTILINE)
    assert bool(beside) == (then != "pass" and code == 1), "expected one failure that tells both"


def test_a_bound_without_a_number_is_no_pass(suite: Suite) -> None:
    assert suite.run(template=TEST.replace("criterion-5-ready", "criterion-6-bounded")) == 1
    assert "none for answer_s" in suite.output


def test_what_the_run_was_given_is_in_its_header_and_in_what_runs_it_again(suite: Suite) -> None:
    suite.run("--time-scale=2", "--context=of staging", "--seed=7", "--keep=always", one=UNMET)
    assert re.search(r"^acceptance: run \S+, --context=of staging --time-scale=2 --seed=7$", suite.output, re.MULTILINE)
    assert re.search(r"pytest \S+ '--context=of staging' --time-scale=2 --seed=7 -k criterion-4-health", suite.output)


def test_every_option_is_shown_with_its_variable(suite: Suite) -> None:
    suite.run("--help")
    text = suite.output
    assert "ACCEPTANCE_TIME_SCALE" in text
    assert "ACCEPTANCE_FAULT_BACKENDS" in text
