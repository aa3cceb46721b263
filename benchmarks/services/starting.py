"""Starts the agent as its image does, and prints how long it took, and how much CPU, until its first answers of 200."""

import http.client
import json
import os
import subprocess
import sys
import time
from http import HTTPStatus
from pathlib import Path

PORT, PAUSE_S, PATIENCE_S = 8000, 0.02, 60
ANSWERS = ("/health", "/ready")


def cpu_s(pid: int) -> float:
    """CPU of a process so far, in user and kernel mode, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def is_ok(path: str) -> bool:
    """Whether the agent answers 200."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def main() -> None:
    """Start it, ask until it answers, print, and serve until told to end."""
    began = time.monotonic()
    agent = subprocess.Popen([sys.executable, "-m", "app", "agent"], stdout=subprocess.DEVNULL)
    found: dict[str, float] = {}
    for path in ANSWERS:
        while not is_ok(path):
            if time.monotonic() - began > PATIENCE_S:
                sys.exit(f"{path}: no 200 within {PATIENCE_S} s")
            time.sleep(PAUSE_S)
        found |= {f"{path} s": time.monotonic() - began, f"{path} CPU s": cpu_s(agent.pid)}
    print(json.dumps(found | {"MiB": memory_mib(agent.pid)}), flush=True)
    agent.wait()


if __name__ == "__main__":
    main()
