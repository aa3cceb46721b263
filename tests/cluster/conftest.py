"""A stand-in for any command: found first on PATH, it notes how it was called."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

StandIn = Callable[..., Path]


@pytest.fixture(autouse=True)
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep logs and state of a test out of the user's caches, and build nothing there."""
    monkeypatch.setattr("cluster.images.make", lambda *_: None)
    for module in ("console", "kind", "context", "lock"):
        for name in ("LOGS", "STATE"):
            monkeypatch.setattr(f"cluster.{module}.{name}", tmp_path / name.lower(), raising=False)
    monkeypatch.setattr("cluster.kind.OWNED", tmp_path / "state/kind-node")
    monkeypatch.setattr("cluster.context.FORMER", tmp_path / "state/former-context")


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """Return a maker of such a command by name and shell script; it returns the file that notes the calls."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def make(name: str, script: str = "") -> Path:
        calls = tmp_path / f"{name}.calls"
        calls.touch()
        (folder / name).write_text(f'#!/bin/sh\necho "$*" >>{calls}\n{script}\n')
        (folder / name).chmod(0o755)
        return calls

    return make
