"""What the user sees of a command: that it runs, that it lives, and why it failed."""

import sys
from pathlib import Path

import pytest

from cluster import console


def test_a_failed_command_is_named_with_its_last_lines_and_its_log() -> None:
    with pytest.raises(console.CommandError) as failure:
        console.run([sys.executable, "-c", "print('first'); print('the cause'); raise SystemExit(3)"])
    message = str(failure.value)
    assert "ended with 3" in message
    assert "the cause" in message
    log = message.rpartition(": ")[2]
    assert "first" in Path(log).read_text()


def test_a_missing_command_is_named() -> None:
    with pytest.raises(console.SurroundingsError, match="no-such-command is not installed"):
        console.run(["no-such-command"])


UNTIL_TOLD = """
import pathlib, time
print("at work", flush=True)
while not pathlib.Path("told").exists():
    time.sleep(0.01)
"""


def test_a_long_command_shows_what_it_last_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "HEARTBEAT_SECONDS", 0.05)
    monkeypatch.setattr(console, "say", lambda text: (tmp_path / "told").touch() if "s  at work" in text else None)
    console.run([sys.executable, "-c", UNTIL_TOLD], cwd=tmp_path)
    assert (tmp_path / "told").exists()


def test_the_real_command_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    console.run(["true", "a b"])
    assert "$ true 'a b'" in capsys.readouterr().out


def test_a_phase_that_failed_is_in_the_table_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), console.phase("Divide"):
        _ = 1 / 0
    console.print_phases()
    assert "Divide" in capsys.readouterr().out.rpartition("==>")[2]


def test_a_question_that_fails_or_hangs_has_no_answer() -> None:
    assert console.ask(["false"]) is None
    assert console.ask(["no-such-command"]) is None
    assert console.ask(["sleep", "5"], timeout=0.1) is None
    assert console.ask(["echo", "yes"]) == "yes"
