"""One run of the suite as pytest sees it: what is collected, how failures read, what is reported, how it ends."""

import os
import secrets
import time
from collections.abc import Generator
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from shlex import quote
from typing import Any

import pytest

from acceptance.harness.errors import (
    ExitCode,
    NotApplicableError,
    UndoIncompleteError,
    UnsteadyError,
    exit_codes,
    leaves,
    most_urgent,
    told,
)
from acceptance.harness.faults.journal import terminate_like_interrupt, uninterrupted
from acceptance.harness.kube.port_forward import PortForward
from acceptance.harness.suite import report
from acceptance.harness.suite.artifacts import Artifacts, Masking
from acceptance.harness.suite.catalogue import TIERS, Entry
from acceptance.harness.suite.explanation import Diagnosis, explain
from acceptance.harness.suite.options import Options, written
from acceptance.harness.suite.report import Result
from acceptance.harness.suite.selection import entry_of
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching import logs
from acceptance.harness.watching.timeline import Timeline


class Run:
    """The plugin of one run, and its state."""

    NAME = "acceptance-run"

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self.config = config
        self.options = options
        self.id = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self.waiting = Waiting(options.time_scale, self.show)
        self.forwards: list[PortForward] = []
        self.results: dict[str, Result] = {}
        self._diagnosis: Diagnosis | None = None
        self.masking = Masking()
        self.artifacts = Artifacts(config.rootpath, self.id, self.masking)
        self.folder = self.artifacts.folder
        self._causes: set[int] = set()
        self._stopped = ""
        if not options.plan and not config.option.collectonly:
            self._prepare()

    def _prepare(self) -> None:
        terminate_like_interrupt()
        self.artifacts.create()
        self.config.option.xmlpath = self.config.option.xmlpath or str(self.folder / "junit.xml")

    def diagnose_with(self, diagnosis: Diagnosis) -> None:
        """How to take a fresh look at the cluster when something fails."""
        self._diagnosis = diagnosis

    def show(self, line: str) -> None:
        """A line of progress, on the terminal whatever is captured."""
        plugins = self.config.pluginmanager
        reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            if reporter:
                reporter.ensure_newline()
                reporter.write_line(f"  {line}")

    def pytest_report_header(self) -> str:
        """Say what the run is given, also what it was not told: a failure that leaves no report can be repeated."""
        return f"acceptance: run {self.id}, {' '.join(self.options.given)}"

    def timeline(self, test: str) -> Timeline:
        """The timeline of a test."""
        return self.results[test].timeline

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Begin to keep what this test sees."""
        if entry := entry_of(item):
            self.results[item.nodeid] = Result(entry)
            self.waiting.retries = 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Tell every bound that is exceeded at once, at the test's end, and beside what ended it before."""
        result = self.results.get(item.nodeid)
        try:
            yield
        except UndoIncompleteError:
            raise
        except Exception as error:
            if result:
                result.require_bounds(error)
            raise
        if result:
            result.require_bounds()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Turn a failure into the few lines that explain it; the traceback goes to a file."""
        result = self.results.get(item.nodeid)
        if result is not None and call.when == "teardown":
            item.user_properties += result.properties()
        outcome = yield
        if result is None:
            return outcome
        result.duration_s += outcome.duration
        result.retries = self.waiting.retries
        if call.excinfo and outcome.failed:
            codes = exit_codes(call.excinfo.value)
            if ExitCode.UNDO_INCOMPLETE in codes:
                item.session.shouldstop = told(call.excinfo.value)
            if any(isinstance(one, UnsteadyError) for one in leaves(call.excinfo.value)):
                item.session.shouldfail = f"not steady after {result.entry.id}: {told(call.excinfo.value)}"
            self._causes |= codes or {ExitCode.FAILED}
            details = self.artifacts.keep(f"failures/{result.entry.id}-{outcome.when}.txt", str(outcome.longrepr))
            began = time.time() - (time.monotonic() - result.timeline.began)
            gone = self._logs_of_the_gone(began)
            severe = tuple(logs.severe_since(self.folder / "logs", began))
            rerun = rerun_of(self.config, self.options, result.entry)
            explanation = explain(call.excinfo.value, result.entry, self._diagnosis, rerun, details, gone, severe)
            result.fail(explanation)
            outcome.longrepr = self.masking.mask("\n".join(explanation.lines()))
        if call.excinfo and call.excinfo.errisinstance(NotApplicableError):
            result.not_applicable = self.masking.mask(str(call.excinfo.value))
        result.ran = result.ran or (outcome.when == "call" and outcome.passed)
        return outcome

    def _logs_of_the_gone(self, began: float) -> tuple[str, ...]:
        """Where the logs are of containers of ours that ended since a test began, as seen from here."""
        with suppress(Exception):  # the API server may be what is away
            if self._diagnosis and self._diagnosis.namespaces:
                namespace = self._diagnosis.namespaces[0]
                pods = self._diagnosis.cluster.pods(namespace)
                files = logs.of_the_gone(self.folder / "logs", namespace, pods, began)
                return tuple(os.path.relpath(file) for file in files)
        return ()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember why a run ended early."""
        self._stopped = str(excinfo.value) or excinfo.typename
        if not isinstance(excinfo.value, pytest.exit.Exception):
            self.show("interrupted: undoing what is open; a second signal waits for that")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, None, None]:
        """Let no signal end what a fixture undoes halfway."""
        with uninterrupted():
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Write the reports and decide how the run ends, once everything is closed and undone."""
        try:
            with suppress(KeyboardInterrupt), uninterrupted():
                yield
        except (UndoIncompleteError, BaseExceptionGroup) as error:
            # After an interruption fixtures are closed here, and pytest would call their failure its own.
            if ExitCode.UNDO_INCOMPLETE not in exit_codes(error):
                raise
            self._causes.add(ExitCode.UNDO_INCOMPLETE)
            self._stopped = told(error)
            self.show(f"undo incomplete: {self._stopped}")
        if self.options.plan or not self.folder.exists():
            return
        # pytest's own 1 says only that something failed
        codes = self._causes | ({int(exitstatus)} - {ExitCode.FAILED})
        session.exitstatus = most_urgent(codes, int(exitstatus))
        timelines = {result.entry.id: result.timeline for result in self.results.values()}
        report.write(self.artifacts, self.summary(session.exitstatus), timelines)

    def summary(self, exit_code: int) -> dict[str, Any]:
        """The whole run as report.json has it."""
        return {
            "run": self.id,
            "exit_code": int(exit_code),
            "stopped": self._stopped,
            "time_scale": self.options.time_scale,
            "tiers": list(self.options.tiers),
            "forwards": {one.workload: {"opened": one.opened, "reopened": one.reopened} for one in self.forwards},
            "results": [result.as_data() for result in self.results.values()],
        }

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the reports are."""
        if self.folder.exists():
            terminalreporter.write_line(f"reports: {self.folder.relative_to(self.config.rootpath)}")


def rerun_of(config: pytest.Config, options: Options, entry: Entry) -> str:
    """The command that runs an entry again, as a run was given its options."""
    tier = [] if entry.tier == TIERS[0] else [written(config, entry.tier)]
    return " ".join(["pytest", *map(quote, [*config.args, *tier, *options.given]), f"-k {entry.id}"])
