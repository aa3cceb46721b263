"""What the tests need is installed where that may be done."""

import shutil

import pytest

from cluster import __main__ as commands
from cluster import debian, servers, tools
from tests.clients.test_clients import INSTALL


def test_on_debian_the_clients_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(tools, "ensure", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install", installed.extend)
    commands.prerequisites()
    named = {line.removeprefix("apt-get install ") for line in INSTALL.values() if line.startswith("apt-get")}
    assert named == {"curl", "nodejs", "default-jdk-headless"}
    assert named <= set(installed)


def test_what_is_there_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    monkeypatch.setattr(tools, "ensure", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda program: f"/usr/bin/{program}")
    monkeypatch.setattr(debian, "can_install", lambda: True)
    monkeypatch.setattr(debian, "install", installed.extend)
    monkeypatch.setattr(servers, "missing", list)
    commands.prerequisites()
    assert set(installed) <= {"postgresql"}
