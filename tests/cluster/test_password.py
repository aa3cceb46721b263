"""A password that was changed after the first start reaches the database: a real one, made by our image's script."""

import os
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cluster import password
from cluster.console import SurroundingsError, ask
from cluster.paths import CHECKOUT
from cluster.waiting import comes
from tests.app.postgres import INSTALL, free_port
from tests.cluster.conftest import StandIn

FIRST = "development-only"
# exec: the last argument runs here; the pod's own address is where the server asks for a password.
KUBECTL = """
case "$*" in
    *"get secret"*) for last; do :; done; cat {folder}/"$last" ;;
    *exec*) for last; do :; done; exec sh -ec "$(printf %s "$last" | sed 's|$(cat /etc/hostname)|127.0.0.1|')" ;;
esac
"""
START_SECONDS = 60
TOLD = "\n      PostgreSQL had another password than Secret postgres-postgresql"


class Server:
    """A PostgreSQL of one's own, and the Secrets beside it."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port

    def has(self, key: str, value: str) -> None:
        """Let a Secret hold a value under a key."""
        (self._folder / f"--output=jsonpath={{.data.{key}}}").write_bytes(b64encode(value.encode()))

    def have(self, value: str) -> None:
        """Let both Secrets hold a password."""
        for _, _, key in password.SECRETS:
            self.has(key, value)

    def takes(self, value: str) -> bool:
        """Whether the server lets somebody in who says this password."""
        login = [f"PGPASSWORD={value}", "psql", "--host=127.0.0.1", f"--port={self._port}", "--username=postgres"]
        return ask(["env", *login, "--command=SELECT 1"]) is not None


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Path, int]]:
    """The folder and port of a server made with the first password, as the pod has it."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parts[-2]))
    assert programs, INSTALL
    user = "postgres" if os.getuid() == 0 else None  # PostgreSQL refuses to run as root
    path = f"{programs[-1]}:{os.environ['PATH']}"
    entrypoint = (CHECKOUT / "images/postgres/docker-entrypoint.sh").read_text()
    # not below pytest's own folder, which nobody else may enter
    with TemporaryDirectory(prefix="postgres-") as name:
        folder, port = Path(name), free_port()
        folder.chmod(0o777)
        environment = {"PATH": path, "PGDATA": str(folder / "data"), "POSTGRES_PASSWORD": FIRST, "LC_ALL": "C"}
        options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
        command = ["sh", "-c", entrypoint, "sh", "postgres", *(part for one in options for part in ("-c", one))]
        with (
            (folder / "log").open("w") as log,
            subprocess.Popen(
                command, cwd=folder, user=user, env=environment, stdout=log, stderr=log, start_new_session=True
            ) as server,
        ):
            asked = [f"{programs[-1]}/pg_isready", "--host=127.0.0.1", f"--port={port}"]
            assert comes("PostgreSQL", lambda: ask(asked) is not None, START_SECONDS), (folder / "log").read_text()
            yield folder, port
            server.terminate()


@pytest.fixture
def server(
    running: tuple[Path, int], stand_in: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """That server, with its first password, which it has again in the end."""
    folder, port = running
    monkeypatch.setenv("PGHOST", str(folder))
    monkeypatch.setenv("PGPORT", str(port))
    stand_in("kubectl", KUBECTL.format(folder=tmp_path))
    server = Server(tmp_path, port)
    yield server
    server.have(FIRST)
    password.match(["kubectl"])


@pytest.mark.parametrize("changed", ["changed", "it's;--$(reboot)\"`%s", "ä" * 20])
def test_a_changed_password_reaches_the_database(
    server: Server, capsys: pytest.CaptureFixture[str], changed: str
) -> None:
    server.have(changed)
    password.match(["kubectl"])
    assert server.takes(changed)
    assert not server.takes(FIRST)
    shown = capsys.readouterr().out
    assert TOLD in shown
    assert changed not in shown


def test_a_password_that_is_the_same_changes_nothing(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.have(FIRST)
    password.match(["kubectl"])
    assert server.takes(FIRST)
    assert TOLD not in capsys.readouterr().out


def test_a_database_that_cannot_be_told_is_named_in_a_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.have("changed")
    with monkeypatch.context() as no_socket:
        no_socket.setenv("PGHOST", "127.0.0.1")
        with pytest.raises(SurroundingsError, match="PostgreSQL has another password than Secret postgres-postgresql"):
            password.match(["kubectl"])


@pytest.mark.parametrize("unusable", ["", "two words", "'quoted'", "back\\slash", "line\n"])
def test_a_password_that_dapr_cannot_pass_on_is_named_at_once(server: Server, unusable: str) -> None:
    server.have(unusable)
    with pytest.raises(SurroundingsError, match="Dapr takes no password that is empty"):
        password.match(["kubectl"])


def test_two_passwords_are_named_at_once(server: Server) -> None:
    server.have("one")
    server.has("password", "another")
    with pytest.raises(SurroundingsError, match="postgres-postgresql and postgres-credentials hold two passwords"):
        password.match(["kubectl"])
