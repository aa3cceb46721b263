"""The Docker engine: the one that runs, or on Debian as root one that is installed and started."""

import shutil
import subprocess
from pathlib import Path

from cluster import debian
from cluster.console import SurroundingsError, ask, run, say
from cluster.paths import LOGS
from cluster.waiting import comes

START_SECONDS = 60
PACKAGES = ("docker.io", "docker-cli", "docker-buildx")
OLDEST_MAJOR = "26"
NEWER_RELEASE = "trixie"
SYSTEMD = Path("/run/systemd/system")
"""There where systemd is what starts services."""
LOG = LOGS / "dockerd.log"
NO_ANSWER = f"the Docker engine did not answer within {START_SECONDS} s; its log: {LOG}"


def answers() -> bool:
    """Tell whether a Docker engine answers."""
    return bool(ask(["docker", "info", "--format", "{{.ServerVersion}}"]))


def is_silent() -> bool:
    """Tell whether an engine runs here that does not answer: it starts, or it stops."""
    return not answers() and bool(ask(["pidof", "dockerd"]))


def ensure() -> None:
    """Make sure that an engine answers: the one that is there, or one that is started. Raises SurroundingsError."""
    if answers():
        return
    if not debian.can_install():
        raise SurroundingsError("no Docker engine answers; install Docker Engine, or start it, and run this again")
    if not shutil.which("dockerd"):
        _install()
    _start()


def _install() -> None:
    """Install Debian's engine; bookworm's own starts no privileged container where a capability is missing."""
    debian.install(["containerd", "iptables", "runc"])
    is_recent = debian.candidate("docker.io").partition(".")[0] >= OLDEST_MAJOR
    if not is_recent:
        debian.offer_release(NEWER_RELEASE)
    # `/release` for each by name: with --target-release apt would move libc and more along.
    debian.install([name if is_recent else f"{name}/{NEWER_RELEASE}" for name in PACKAGES])


def _start() -> None:
    if SYSTEMD.exists():
        run(["systemctl", "start", "docker"])
    elif not comes("waiting for the Docker engine to answer or to end", lambda: not is_silent(), START_SECONDS):
        raise SurroundingsError(NO_ANSWER)
    elif not answers():
        _run_in_background()
    if not comes("waiting for the Docker engine", answers, START_SECONDS):
        raise SurroundingsError(NO_ANSWER)


def _run_in_background() -> None:
    # An engine that was killed leaves it, and the number in it may be somebody else's by now.
    Path("/var/run/docker.pid").unlink(missing_ok=True)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    say(f"    $ dockerd >{LOG} 2>&1 &")
    with LOG.open("w") as output:
        subprocess.Popen(["dockerd"], stdout=output, stderr=output, stdin=subprocess.DEVNULL, start_new_session=True)
