"""What the user sees: phases, the real commands, progress, durations, and one clear line for what went wrong."""

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import IO

from cluster.paths import LOGS

HEARTBEAT_SECONDS = 10
TAIL_LINES = 12

_phases: list[tuple[str, float]] = []
_speaker: ContextVar[str] = ContextVar("speaker", default="")


class SurroundingsError(Exception):
    """The machine, not the product, stands in the way; the command ends with exit code 10."""


class CommandError(SurroundingsError):
    """A command failed: which one, its last lines, and where all of its output is."""

    def __init__(self, command: Sequence[str], code: int, log: Path) -> None:
        tail = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
        super().__init__(
            f"{shlex.join(command)}\nended with {code}; its last lines:\n  " + "\n  ".join(tail) + f"\nall of it: {log}"
        )


def say(text: str) -> None:
    """Print a line at once, also into a pipe."""
    print(text, flush=True)


@contextmanager
def speaking_for(name: str) -> Iterator[None]:
    """Let the lines of what this thread runs begin with a name, where several things are done side by side."""
    token = _speaker.set(f"{name}: ")
    try:
        yield
    finally:
        _speaker.reset(token)


@contextmanager
def phase(name: str) -> Iterator[None]:
    """Name a phase, and note how long it took for the table at the end."""
    say(f"\n==> {name}")
    started = time.monotonic()
    try:
        yield
    finally:
        _phases.append((name, time.monotonic() - started))
    say(f"    done in {_phases[-1][1]:.1f} s")


def print_phases() -> None:
    """Print the table of all phases so far, with their seconds."""
    width = max(len(name) for name, _ in _phases)
    say("\n" + "\n".join(f"  {name:<{width}}  {seconds:7.1f} s" for name, seconds in _phases))
    say(f"  {'total':<{width}}  {sum(seconds for _, seconds in _phases):7.1f} s")


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: int | IO[bytes] | None = subprocess.DEVNULL,
    quiet: bool = True,
) -> None:
    """Run a command and show it; output goes to a log (and to the screen unless quiet), with a sign of life every 10 s.

    Raises CommandError when it fails, SurroundingsError when there is no such command.
    """
    argv = [str(part) for part in command]
    say(f"    {_speaker.get()}$ {shlex.join(argv)}")
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{time.strftime('%Y%m%dT%H%M%S')}-{Path(argv[0]).name}-{time.monotonic_ns() % 10**6:06d}.log"
    try:
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
    except FileNotFoundError:
        raise SurroundingsError(f"{argv[0]} is not installed") from None
    last = [""]
    with process, log.open("w", errors="replace") as output, beating(last):
        for line in process.stdout or ():
            output.write(line)
            output.flush()
            last[0] = line.strip() or last[0]
            if not quiet:
                say(f"      {line.rstrip()}")
    if process.returncode:
        raise CommandError(argv, process.returncode, log)


@contextmanager
def beating(last: Sequence[str]) -> Iterator[None]:
    """Give a sign of life every 10 s: how long already, and the one line in `last`, which may change."""
    started, over, speaker = time.monotonic(), threading.Event(), _speaker.get()

    def beat() -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            say(f"      ... {time.monotonic() - started:.0f} s  {speaker}{last[0][:120]}")

    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def ask(command: Sequence[str | Path], *, timeout: float = 30) -> str | None:
    """Return what a short question prints; None when it fails, is missing or takes longer than timeout (seconds)."""
    try:
        answer = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() if answer.returncode == 0 else None


def fail(error: Exception) -> int:
    """Print why a command cannot go on, and return its exit code."""
    print(f"\nerror: {error}", file=sys.stderr, flush=True)
    return 10
