"""A service in a process of its own, as in its container: what it holds, and what it says of itself."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.app.postgres import free_port

MIB_KB = 1024


class Served:
    """The process, seen from outside."""

    def __init__(self, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.port = port
        self._process = Path(f"/proc/{process.pid}")
        self._log = log

    @property
    def resident_mib(self) -> float:
        """What it has in memory."""
        status = (self._process / "status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / MIB_KB

    @property
    def sockets(self) -> int:
        """How many sockets it has open."""
        return sum(str(one.readlink()).startswith("socket:") for one in (self._process / "fd").iterdir())

    def errors(self) -> Iterator[str]:
        """Lines of its log that tell of an error, or that it did not write as a log."""
        for line in self._log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                yield line
                continue
            if entry["level"] in {"error", "critical"} or "exception" in entry:
                yield line


@contextmanager
def served(folder: Path, *arguments: str, **environment: str) -> Iterator[Served]:
    """Run a service; its settings are the only variables that it sees."""
    port, log = free_port(), folder / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "app", *arguments],
            env={"PATH": os.environ["PATH"], "APP_PORT": str(port), **environment},
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            yield Served(port, process, log)
        finally:
            process.kill()
            process.wait()
