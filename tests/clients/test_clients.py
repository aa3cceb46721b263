"""Each client makes the same exchanges with the agent, over one connection where that is its way."""

import os
import shutil
import subprocess
import sys
from itertools import takewhile
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.app.gate import Gate
from tests.clients.exchanges import CHUNKED, CONTINUE, Exchange, exchanges

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "tests/clients/programs"
# as the images are built, so that Go's own packages are compiled once for both
GO = ["go", "run", "-trimpath", "-gcflags=all=-dwarf=false", "-ldflags=-s -w"]
CURL = [sys.executable, "-m", "tests.clients.programs.with_curl"]
INSTALL = {
    "curl": "apt-get install curl",
    "java": "apt-get install default-jdk-headless",
    "go": "install Go 1.26 or newer",
    "node": "apt-get install nodejs",
}


class Client(NamedTuple):
    """How a client is run, and in what it differs."""

    command: list[str]
    program: str = "python3"
    cannot: tuple[str, ...] = ()
    """Headers that it has no way to send."""
    says: bytes = b"HTTP/1.1\r\n"
    """What it is here for: with each request it sends this."""
    keeps: bool = True
    """Whether one connection is enough for it."""


CLIENTS = {
    "curl": Client(CURL, "curl"),
    "curl --http2": Client([*CURL, "--http2"], "curl", says=b"Upgrade: h2c\r\n"),
    "curl --http1.0": Client([*CURL, "--http1.0"], "curl", (CHUNKED, CONTINUE), b"HTTP/1.0\r\n", keeps=False),
    "java": Client(["java", "-XX:TieredStopAtLevel=1", f"{PROGRAMS}/Client.java"], "java", says=b"Upgrade: h2c\r\n"),
    "go": Client([*GO, f"{PROGRAMS}/client.go"], "go"),
    # it closes the connection after a HEAD
    "node fetch": Client(["node", f"{PROGRAMS}/fetch.mjs"], "node", (CONTINUE,), keeps=False),
    "node http": Client(["node", f"{PROGRAMS}/http.mjs"], "node"),
    "aiohttp": Client([sys.executable, "-m", "tests.clients.programs.with_aiohttp"]),
    # it sends the header, and waits for nothing
    "httpx": Client([sys.executable, "-m", "tests.clients.programs.with_httpx"], cannot=(CONTINUE,)),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_a_client_is_served(gate: Gate, name: str) -> None:
    client = CLIENTS[name]
    made = [one for one in exchanges(name.replace(" ", "-")) if not set(client.cannot) & set(one.headers)]
    gate.heard.clear()
    answers = run(client, gate.port, made)
    complaints = {one.name: wrong for one, line in zip(made, answers, strict=True) if (wrong := one.complaint(line))}
    assert complaints == {}
    assert client.says in gate.heard[0]
    if client.keeps:
        kept = [*takewhile(lambda one: not one.is_early, made)]
        assert gate.heard[0].count(b" HTTP/1.1\r\n") >= len(kept), "expected its connection to be kept"


def run(client: Client, port: int, made: list[Exchange]) -> list[str]:
    """Have the client's program make the exchanges, and return a line for each answer."""
    if client.program in INSTALL and not shutil.which(client.program):
        pytest.fail(f"no {client.program} on PATH: {INSTALL[client.program]}")
    done = subprocess.run(
        [*client.command, f"http://127.0.0.1:{port}"],
        cwd=ROOT,
        env=os.environ | {"CGO_ENABLED": "0", "PYTHONUTF8": "1"},
        input="\n".join(one.line for one in made),
        capture_output=True,
        encoding="utf-8",
        timeout=100,
        check=False,
    )
    *answers, rest = done.stdout.split("\n")
    if done.returncode or rest or len(answers) != len(made):
        where = made[len(answers)].name if len(answers) < len(made) else "the end"
        pytest.fail(f"ended with {done.returncode} at {where}: {rest}{done.stderr[-2000:]}")
    return answers
