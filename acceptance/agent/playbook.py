"""What people who come from the playbook type, and what it shows here: playbook.toml, run by a shell."""

import json
import os
import re
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.kube.port_forward import LISTENING

FILE = Path(__file__).parents[1] / "playbook.toml"
ANSWERED_S = 40
LOCAL_PORT = re.compile(r"\b(\d+):(\d+)$")


@dataclass(frozen=True)
class Command:
    """What somebody types, and what its output has to be like; `playbook.toml` tells what each member is."""

    typed: str
    shows: tuple[str, ...] = ()
    every: str = ""
    json: dict[str, Any] | None = None
    logs_in: bool = False
    stays: bool = False
    instead: str = ""
    why: str = ""

    @property
    def run(self) -> str:
        """What is run of it here; empty for what is replaced by something that is not the suite's to run."""
        is_told = self.shows or self.every or self.json is not None
        return self.typed if not self.instead else self.instead if is_told else ""

    def missing(self, output: str) -> str:
        """What of the output is not as it has to be; empty when all is."""
        wrong = [f"nothing like {one!r}" for one in self.shows if not re.search(one, output, re.MULTILINE)]
        rest = output.splitlines()[1:]
        wrong += [f"a line that is not {self.every!r}: {one}" for one in rest if not re.search(self.every, one)]
        if self.json is not None:
            found = _read(output)
            wrong += [f"{name} is not {value!r}" for name, value in self.json.items() if found.get(name) != value]
            wrong += [] if found else ["no JSON object"]
        return "; ".join(wrong)


@dataclass
class Shell:
    """Runs commands as they are typed; its kubectl is on one cluster."""

    folder: Path
    ports: dict[str, str] = field(default_factory=dict)
    """Local ports as they are typed, and as they are here."""

    def run(self, typed: str) -> str:
        """What a command printed. Raises NotYetError when it failed, or gave no answer in time."""
        for port, here in self.ports.items():
            typed = typed.replace(f"localhost:{port}", f"127.0.0.1:{here}")
        environment = os.environ | {"PATH": f"{self.folder}:{os.environ['PATH']}"}
        shell = ("bash", "-o", "pipefail", "-c", typed)
        try:
            done = subprocess.run(
                shell, env=environment, capture_output=True, text=True, timeout=ANSWERED_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise NotYetError(f"no answer within {ANSWERED_S} s") from error
        if done.returncode:
            raise NotYetError(f"it ended with {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
        return done.stdout


@contextmanager
def shell(kubectl: Kubectl) -> Iterator[Shell]:
    """A shell on a cluster."""
    with TemporaryDirectory(prefix="playbook-") as folder:
        program = Path(folder) / "kubectl"
        binary, *context = kubectl.command()
        program.write_text(f'#!/bin/sh\nexec {binary} {" ".join(context)} "$@"\n')
        program.chmod(0o755)
        yield Shell(Path(folder))


@contextmanager
def staying(kubectl: Kubectl, typed: str) -> Iterator[tuple[str, str]]:
    """A port-forward that stays open for a block: its local port as it is typed, and as it is here."""
    wanted = LOCAL_PORT.search(typed)
    if not wanted:
        raise ValueError(f"only a port-forward can stay: {typed}")
    arguments = LOCAL_PORT.sub(r":\2", typed).split()[1:]
    with kubectl.start(*arguments) as process:
        try:
            line = (process.stdout and process.stdout.readline()) or ""
            if not (told := LISTENING.search(line)):
                raise NotYetError(f"{typed}: {line.strip()}")
            yield wanted[1], told[1]
        finally:
            process.terminate()


def load(file: Path = FILE) -> list[Command]:
    """Every command, in the order in which they are typed."""
    commands = tomllib.loads(file.read_text())["command"]
    return [Command(**{**one, "shows": tuple(one.get("shows", ()))}) for one in commands]


def _read(output: str) -> dict[str, Any]:
    try:
        found = json.loads(output)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
