"""Stand-ins for what the harness stands on."""

import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.harness.kube.kubectl import Kubectl

STUB = """#!{python}
import os, socket, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"pod")
    def log_message(self, *arguments):
        print("Handling connection", flush=True)

if "port-forward" in sys.argv:
    if "pod/absent" in sys.argv:
        sys.exit("error: pods absent not found")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(f"Forwarding from 127.0.0.1:{{server.server_port}} -> 8000", flush=True)
    server.serve_forever()
elif "group" in sys.argv:
    print(os.getpgrp())
elif "fail" in sys.argv:
    sys.exit("error: as asked")
else:
    print(" ".join(sys.argv[3:]))
"""


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Ctrl-C as in a terminal: a shell starts `make test &` with SIGINT ignored, and programs inherit that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubectl:
    """A kubectl whose binary is a stand-in: it forwards to a web server of its own and echoes everything else."""
    binary = tmp_path / "bin" / "kubectl"
    binary.parent.mkdir()
    binary.write_text(STUB.format(python=sys.executable))
    binary.chmod(binary.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")
    return Kubectl(tmp_path / "kubeconfig", "a-context")
