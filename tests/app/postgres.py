"""A PostgreSQL server, of this machine's own programs unless told, started by the run and gone with it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

PASSWORD = "not-a-secret"
INSTALL = "no PostgreSQL programs in /usr/lib/postgresql/*/bin: apt-get install postgresql"


class PostgresServer:
    """One server on a loopback port; it can be stopped, started again, frozen and thawed.

    With a `primary` it is that one's standby, which can be promoted.
    """

    def __init__(self, installed: Path | None = None, primary: "PostgresServer | None" = None) -> None:
        # PostgreSQL refuses to run as root
        self._user = "postgres" if os.getuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._folder.chmod(0o755)
        self._programs = self._own(installed) if installed else newest_programs()
        if self._user:
            shutil.chown(self._folder, self._user)
        self.port = free_port()
        self._frozen = False
        self._pid_file = self._folder / "data" / "postmaster.pid"
        if primary:
            source = f"host=127.0.0.1 port={primary.port} user=postgres password={PASSWORD}"
            self._run(
                "pg_basebackup", "-D", "data", "-d", source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"
            )
            return
        password_file = self._folder / "password"
        password_file.write_text(PASSWORD)
        password_file.chmod(0o644)
        self._run("initdb", "-D", "data", "-U", "postgres", "-A", "scram-sha-256", "--pwfile", "password", "-N")

    def start(self, **settings: str) -> None:
        """Start the server and return when it answers, or, where it is told to wait, when it waits."""
        settings |= {"port": f"{self.port}", "listen_addresses": "127.0.0.1"}
        settings |= {"unix_socket_directories": f"{self._folder}", "fsync": "off", "full_page_writes": "off"}
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        self._run("pg_ctl", "start", "-w", "-D", "data", "-l", "log", "-o", options)

    def keep(self, name: str, content: bytes) -> None:
        """Write a file beside the data that only the server may read."""
        file = self._folder / name
        file.touch(mode=0o600)
        file.write_bytes(content)
        if self._user:
            shutil.chown(file, self._user)

    def promote(self) -> None:
        """Let a standby take writes, and return when it does."""
        self._run("pg_ctl", "promote", "-w", "-D", "data")

    def stop(self) -> None:
        """Stop the server as a crash would: at once, connections cut."""
        self.thaw()
        self._run("pg_ctl", "stop", "-w", "-D", "data", "-m", "immediate")

    def freeze(self) -> None:
        """Stop every process of the server where it is; connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)
        self._frozen = True

    def take_away(self, how: str) -> None:
        """Stop or freeze the server, told by the word for what it is then: `stopped` or `frozen`."""
        {"stopped": self.stop, "frozen": self.freeze}[how]()

    def thaw(self) -> None:
        """Let a frozen server go on."""
        if self._frozen:
            self._signal(signal.SIGCONT)
            self._frozen = False

    def restore(self) -> None:
        """Undo whatever a test did."""
        self.thaw()
        if not self._pid_file.exists():
            self.start()

    def remove(self) -> None:
        """Stop the server for good and delete its data."""
        if self._pid_file.exists():
            self.stop()
        shutil.rmtree(self._folder)

    def _own(self, installed: Path) -> Path:
        """Where the programs are: copied for the user that the server is to run as, who may not see the original."""
        if not self._user:
            return installed / "bin"
        return shutil.copytree(installed, self._folder / "programs", symlinks=True) / "bin"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            stdout=subprocess.DEVNULL,  # the server inherits it: a pipe would never end
            stderr=subprocess.DEVNULL,
            check=False,
        )
        assert done.returncode == 0, f"{program} {arguments[0]} failed with {done.returncode}: see {self._folder}/log"

    def _signal(self, number: signal.Signals) -> None:
        if self._pid_file.exists():
            server = self._pid_file.read_text().split()[0]
            children = subprocess.run(["pgrep", "-P", server], capture_output=True, text=True, check=False).stdout
            for pid in (server, *children.split()):
                with suppress(ProcessLookupError):  # a session that just ended
                    os.kill(int(pid), number)


def newest_programs() -> Path:
    """The folder of this machine's newest programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    assert found, INSTALL
    return found[-1].parent


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
