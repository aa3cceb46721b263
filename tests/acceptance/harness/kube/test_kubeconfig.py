"""Which cluster a run may touch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from acceptance.agent.overlay import MAKE_UP_CONTEXTS
from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube import kubeconfig
from acceptance.harness.kube.kubeconfig import choose_context, is_local

USUAL = tuple(MAKE_UP_CONTEXTS)
KNOWN: dict[str, Any] = {
    "current-context": "production",
    "contexts": [{"name": "production"}, {"name": "kind-fastapi-dapr-agent"}],
}


@pytest.mark.parametrize(
    ("context", "usual", "chosen"),
    [
        (None, USUAL, "kind-fastapi-dapr-agent"),
        (None, (), "production"),
        ("production", USUAL, "production"),
    ],
)
def test_context_that_is_used(context: str | None, usual: Sequence[str], chosen: str) -> None:
    assert choose_context(context, usual, KNOWN) == chosen


@pytest.mark.parametrize(("context", "usual"), [("absent", USUAL), (None, ()), (None, USUAL)])
def test_context_that_does_not_exist_is_named(context: str | None, usual: Sequence[str]) -> None:
    with pytest.raises(EnvironmentNotReadyError, match="no context"):
        choose_context(context, usual, {"contexts": []})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an engine is asked that has one container, on one network."""
    asked: list[str] = []

    def output(*command: str) -> str:
        asked.append(" ".join(command[:3]))
        return "bridge kind\n" if "ls" in command else "\n172.18.0.2/16 \n"

    monkeypatch.setattr(kubeconfig, "output", output)
    return asked


@pytest.mark.parametrize(
    "server",
    [
        "https://127.0.0.1:33889",
        "https://[::1]:6443",
        "https://localhost:6443",
        "https://172.18.0.2:6443",
        "https://0.0.0.0:6443",
    ],
)
@pytest.mark.usefixtures("asked")
def test_loopback_and_containers_of_this_machine_are_local(server: str) -> None:
    assert is_local({"server": server})
    assert not is_local({"server": server, "proxy-url": "http://proxy.example"})


@pytest.mark.parametrize(
    "server",
    [
        "https://172.18.0.3:6443",
        "https://production.example:6443",
        "https://127.0.0.1.example:6443",
        "not an address",
        "https://[not-an-address",
    ],
)
@pytest.mark.usefixtures("asked")
def test_nothing_else_is_local(server: str) -> None:
    assert not is_local({"server": server})


def test_the_engine_is_not_asked_about_loopback(asked: list[str]) -> None:
    assert is_local({"server": "https://127.0.0.1:33889"})
    assert asked == []
    assert is_local({"server": "https://172.18.0.2:6443"})
    assert asked == ["docker network ls", "docker network inspect"]


def test_a_program_beside_the_kubeconfig_is_found_from_a_copy_elsewhere(tmp_path: Path) -> None:
    first, second = tmp_path / "a/config", tmp_path / "b/config"
    for file, names in ((first, ["one"]), (second, ["one", "two"])):
        file.parent.mkdir()
        users = [{"name": name, "user": {"exec": {"command": "./login"}}} for name in names]
        file.write_text(yaml.safe_dump({"users": users}))
    commands = {"one": "./login", "two": "../bin/login", "three": "login", "four": "/usr/bin/login"}
    users = [{"name": name, "user": {"exec": {"command": command}}} for name, command in commands.items()]
    config: dict[str, Any] = {"users": [*users, {"name": "five", "user": {"token": "t"}}]}

    kubeconfig.name_programs(config, [first, second])

    found = {user["name"]: user["user"].get("exec", {}).get("command") for user in config["users"]}
    assert found == {
        "one": str(tmp_path / "a/login"),
        "two": str(tmp_path / "b/../bin/login"),
        "three": "login",
        "four": "/usr/bin/login",
        "five": None,
    }
