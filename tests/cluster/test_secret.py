"""`make secret`: what `existing-backends` needs, made from what is there, and made once."""

import os
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
# Whatever needs no cluster is left to kubectl itself.
STUB = """#!{python}
import os, pathlib, sys
arguments, made = [one for one in sys.argv[1:] if one != "kind-fastapi-dapr-agent"], pathlib.Path({made!r})
arguments.remove("--context")
if "--dry-run=client" in arguments or "--local" in arguments:
    os.execv({kubectl!r}, [{kubectl!r}, *arguments])
if "--kustomize" in arguments:
    sys.exit()
if arguments[:3] == ["get", "secret", "--namespace"]:
    sys.exit(print(os.environ.get("THERE", "a-password"), end=""))
if "--filename" in arguments:
    text = sys.stdin.read()
    file = made / text.partition("\\n  name: ")[2].partition("\\n")[0]
    sys.exit("already there" if "create" in arguments and file.exists() else not file.write_text(text))
if (made / arguments[2]).exists():
    print(f"secret/{{arguments[2]}}")
"""
Make = Callable[[], dict[str, dict[str, str]]]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Run `make secret` beside a cluster that is a folder; the values of each Secret that is there then."""
    kubectl = shutil.which("kubectl")
    assert kubectl, "expected kubectl on PATH"
    (made := tmp_path / "made").mkdir()
    stub = tmp_path / "bin" / "kubectl"
    stub.parent.mkdir()
    stub.write_text(STUB.format(python=sys.executable, made=str(made), kubectl=kubectl))
    stub.chmod(0o755)

    def run() -> dict[str, dict[str, str]]:
        environment = {**os.environ, "PATH": f"{stub.parent}:{os.environ['PATH']}", "CLUSTER": "kind"}
        command = ["make", "--no-print-directory", "secret"]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        secrets = {file.name: yaml.safe_load(file.read_text()) for file in made.iterdir()}
        values = {
            name: {key: b64decode(value).decode() for key, value in one["data"].items()}
            for name, one in secrets.items()
        }
        shown = [value for one in values.values() for value in one.values() if value in done.stdout + done.stderr]
        assert shown == []
        assert {one["metadata"]["namespace"] for one in secrets.values()} == {"fastapi-app"}
        return values

    return run


def test_the_password_is_copied_and_a_token_is_made_that_stays(make: Make) -> None:
    first = make()
    assert first["postgres-credentials"] == {"password": "a-password"}
    token = first["dapr-app-token"]["token"]
    assert len(token) >= 32
    assert token == "".join(token.split())
    assert make() == first


def test_every_cluster_gets_a_token_of_its_own(make: Make, tmp_path: Path) -> None:
    first = make()["dapr-app-token"]
    (tmp_path / "made" / "dapr-app-token").unlink()
    assert make()["dapr-app-token"] != first


@pytest.mark.parametrize("unusable", ["two words", "back\\slash", "'quoted'", "a\ttab"])
def test_a_password_that_dapr_would_break_is_refused(
    make: Make, monkeypatch: pytest.MonkeyPatch, unusable: str
) -> None:
    monkeypatch.setenv("THERE", unusable)
    with pytest.raises(AssertionError, match="Dapr takes no password"):
        make()


@pytest.mark.parametrize("usable", ["it's", 'a"b$c`d'])
def test_any_other_password_is_copied_as_it_is(make: Make, monkeypatch: pytest.MonkeyPatch, usable: str) -> None:
    monkeypatch.setenv("THERE", usable)
    assert make()["postgres-credentials"] == {"password": usable}
