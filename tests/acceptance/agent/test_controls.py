"""The negative controls: complete, compared with what a run saw, and put back whatever happens."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from acceptance.agent.criteria import ENTRIES
from acceptance.controls import __main__ as program
from acceptance.controls.__main__ import differences, main
from acceptance.controls.broken import broken, undo_table
from acceptance.controls.catalogue import Control, load
from acceptance.harness.errors import UndoIncompleteError
from acceptance.harness.faults.journal import Journal, terminate_like_interrupt
from acceptance.harness.kube.kubectl import Kubectl

CONTROL = Control(id="a", runs=(), red=frozenset({"criterion-4-health", "criterion-5-ready"}), cause="the broker")


def seen(**outcomes: str) -> dict[str, Any]:
    """A report with an outcome for each entry that is named by its number."""
    ids = {entry_id.split("-")[1]: entry_id for entry_id in ENTRIES if entry_id.startswith("criterion")}
    failures = [{"expected": "200", "seen": "503: no broker", "cause": "the broker is away"}]
    return {
        "exit_code": 1,
        "stopped": "",
        "results": [
            {
                "id": ids[number[1:]],
                "outcome": outcome,
                "reason": "stopped before it" if outcome == "not run" else "",
                "failures": failures if outcome == "failed" else [],
            }
            for number, outcome in outcomes.items()
        ],
    }


def test_each_entry_of_the_first_two_tiers_is_the_first_red_of_a_control() -> None:
    first = {control.first_red for control in load().values()}
    wanted = {entry.id for entry in ENTRIES.values() if entry.tier in ("default", "faults")}
    assert wanted - first == set()


def test_what_was_declared_and_seen_makes_no_difference() -> None:
    assert list(differences(CONTROL, seen(n4="failed", n5="failed", n6="passed"))) == []


@pytest.mark.parametrize(
    ("outcomes", "difference"),
    [
        ({"n4": "failed", "n5": "passed"}, "criterion-5-ready should be red"),
        ({"n4": "failed", "n5": "not run"}, "criterion-5-ready should be red"),
        ({"n4": "failed", "n5": "failed", "n6": "failed"}, "criterion-6-query should be green: \n      expected: 200"),
        ({"n4": "failed", "n5": "failed", "n6": "not run"}, "criterion-6-query should be green: stopped before it"),
    ],
)
def test_each_difference_is_named(outcomes: dict[str, str], difference: str) -> None:
    [told] = differences(CONTROL, seen(**outcomes))
    assert told.startswith(difference)


@pytest.mark.parametrize("named", ["the broker is away", "503: no", "200"])
def test_a_reason_is_named_by_the_cause_or_by_what_was_expected_or_seen(named: str) -> None:
    control = Control(id="a", runs=(), red=CONTROL.red, cause=named)
    assert list(differences(control, seen(n4="failed", n5="failed"))) == []


def test_a_cause_that_was_not_named_is_a_difference() -> None:
    other = Control(id="a", runs=(), red=CONTROL.red, cause="the database")
    assert "should name 'the database'" in " ".join(differences(other, seen(n4="failed", n5="failed")))


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        ({"exit_code": 10}, "ended with 10: 503: no broker"),
        ({"exit_code": 11, "stopped": "scale kafka"}, "ended with 11: scale kafka"),
        ({"exit_code": 0, "results": []}, "ended with 0: nothing failed"),
    ],
)
def test_only_a_run_that_failed_can_be_red_as_declared(changes: dict[str, Any], difference: str) -> None:
    assert list(differences(CONTROL, {**seen(n4="failed", n5="failed"), **changes})) == [difference]


@pytest.mark.parametrize("cause", ["", 'cause = ""'])
def test_a_control_without_a_cause_is_refused(tmp_path: Path, cause: str) -> None:
    file = tmp_path / "controls.toml"
    file.write_text(f'[[control]]\nid = "a-control"\nruns = []\nred = ["criterion-4-health"]\n{cause}\n')
    with pytest.raises(ValueError, match="a-control: no cause"):
        load(file)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(["no-sidecars"], "there is no-sidecar"), (["--quick", "no-sidecar"], "none of these is a quick one")],
)
def test_what_cannot_be_run_is_wrong_usage(capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert told in capsys.readouterr().err


@dataclass
class Objects:
    """A cluster whose objects are only read and written; writes down the verbs, and what is put back."""

    context: str = "a-context"
    done: list[str] = field(default_factory=list)
    fails: str = ""

    def run(self, *arguments: str, stdin: str = "", timeout_s: float = 0) -> str:
        """Do as if."""
        del timeout_s
        verb = " ".join(one for one in arguments if one in {"get", "replace", "restart", "break"})
        self.done += [f"{verb} {json.loads(stdin)['spec']}" if stdin else verb] if verb and verb != "get" else []
        if self.fails and self.fails in arguments:
            raise RuntimeError("the cluster is away")
        return json.dumps({"metadata": {"name": "a", "uid": "1"}, "spec": "as it was", "status": "fine"})

    def as_kubectl(self) -> Kubectl:
        """The objects in a Kubectl's place."""
        return cast("Kubectl", self)


BREAKING = Control(
    id="a",
    runs=(),
    red=CONTROL.red,
    cause="the broker",
    breaks=(("break",),),
    touches=(("kafka", "statefulset/kafka"),),
)
PUT_BACK = ["replace as it was", "restart"]


@pytest.fixture
def objects() -> Objects:
    return Objects()


def journal_of(objects: Objects, kept: dict[str, str]) -> Journal:
    return Journal(kept, undo_table(objects.as_kubectl()))


def test_what_a_control_broke_is_put_back_and_rolled_out_last(objects: Objects) -> None:
    journal = journal_of(objects, {})
    with broken(objects.as_kubectl(), journal, BREAKING):
        assert objects.done == ["break"]
    assert journal.open_entries() == {}
    assert objects.done == ["break", *PUT_BACK]


def test_what_killed_controls_left_broken_is_put_back_by_the_next(objects: Objects) -> None:
    kept: dict[str, str] = {}
    with broken(objects.as_kubectl(), journal_of(objects, kept), BREAKING):
        journal_of(objects, kept).undo_all()
        assert objects.done == ["break", *PUT_BACK]


CHILD = """#!{python}
import json, os, pathlib, signal, sys, time
latest = pathlib.Path("artifacts/latest")

def leave(code, **report):
    latest.mkdir(parents=True)
    (latest / "report.json").write_text(json.dumps({{"stopped": "", "results": [], "exit_code": code, **report}}))
    sys.exit(code)

def terminate(*_):
    raise KeyboardInterrupt

signal.signal(signal.SIGTERM, terminate)
try:
    {does}
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.6)
    {at_last}
"""
CTRL_C = "os.kill(os.getppid(), signal.SIGINT); os.kill(os.getpid(), signal.SIGINT)"
TERMINATED = "os.kill(os.getppid(), signal.SIGTERM)"


@dataclass
class Child:
    """The suite's stand-in: what it does, and what it does once it is interrupted and has undone what it did."""

    folder: Path
    monkeypatch: pytest.MonkeyPatch

    def run(self, does: str, at_last: str = "leave(2)") -> dict[str, Any]:
        """What is made of its report."""
        binary = self.folder / "python"
        binary.write_text(CHILD.format(python=sys.executable, does=does, at_last=at_last))
        binary.chmod(0o755)
        self.monkeypatch.setattr(sys, "executable", str(binary))
        return program.reported()

    @property
    def undid(self) -> bool:
        """Whether it came to its end."""
        return (self.folder / "artifacts" / "latest" / "report.json").exists()


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    monkeypatch.setattr(program, "ROOT", tmp_path)
    before = signal.getsignal(signal.SIGTERM)
    terminate_like_interrupt()
    yield Child(tmp_path, monkeypatch)
    signal.signal(signal.SIGTERM, before)


def test_a_run_is_reported_with_the_code_it_ended_with(child: Child) -> None:
    assert child.run("leave(1, run='a')") == {"run": "a", "exit_code": 1, "stopped": "", "results": []}


def test_the_report_of_an_earlier_run_is_not_taken_for_this_ones(child: Child) -> None:
    earlier = child.folder / "artifacts" / "earlier"
    earlier.mkdir(parents=True)
    (earlier / "report.json").write_text('{"exit_code": 1, "stopped": "", "results": []}')
    (earlier.parent / "latest").symlink_to(earlier)
    assert child.run("sys.exit(4)") == {"exit_code": 4, "stopped": "it left no report", "results": []}


@pytest.mark.parametrize("signalled", [CTRL_C, TERMINATED])
def test_an_interrupted_run_ends_by_itself_before_the_controls_do(child: Child, signalled: str) -> None:
    with pytest.raises(KeyboardInterrupt):
        child.run(signalled)
    assert child.undid


@pytest.mark.parametrize(("does", "at_last"), [("leave(11, stopped='scale kafka')", ""), (CTRL_C, "leave(11)")])
def test_a_run_that_could_not_undo_is_told_so_also_when_it_was_interrupted(
    child: Child, does: str, at_last: str
) -> None:
    with pytest.raises(UndoIncompleteError, match="the suite ended with 11"):
        child.run(does, at_last)


@pytest.mark.parametrize(
    ("error", "code"), [(UndoIncompleteError("scale kafka"), 11), (KeyboardInterrupt(), 2), (None, 1)]
)
def test_the_exit_code_tells_how_the_controls_ended(
    objects: Objects, monkeypatch: pytest.MonkeyPatch, error: BaseException | None, code: int
) -> None:
    @contextmanager
    def copied(*_: object) -> Iterator[Objects]:
        yield objects

    @contextmanager
    def held(*_: object) -> Iterator[Journal]:
        yield journal_of(objects, {})

    def run(*_: str) -> dict[str, Any]:
        if error:
            raise error
        return seen(n4="passed")

    monkeypatch.setattr(program, "held", held)
    monkeypatch.setattr(program, "private_copy", copied)
    monkeypatch.setattr(program, "terminate_like_interrupt", lambda: None)
    monkeypatch.setattr(program, "load", lambda: {"a": BREAKING})
    monkeypatch.setattr(program, "reported", run)
    assert main(["a"]) == code
    assert objects.done == ["break", *PUT_BACK]


def test_what_cannot_be_put_back_stays_noted(objects: Objects) -> None:
    objects.fails = "restart"
    journal = journal_of(objects, {})
    with (
        pytest.raises(UndoIncompleteError, match="the cluster is away"),
        broken(objects.as_kubectl(), journal, BREAKING),
    ):
        pass
    assert [one["action"] for one in journal.open_entries().values()] == ["roll out"]
