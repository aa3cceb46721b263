"""Bad surroundings, found before any work: one clear line each."""

import os
import shutil
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from cluster import debian, engine, images, kind
from cluster.paths import CACHE, CHART

GIB = 2**30
MEMORY_GIB = 6
# A cold build took 27 GiB with Go's caches; a cluster on top of what is built is given 6.
DISK_COLD_GIB = 32
DISK_WARM_GIB = 6
BUILDERS = {"go": "Go 1.26 or newer", "mvn": "Maven with a JDK"}


def python() -> str | None:
    """Python is too old for the project's tools."""
    return None if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}"


def venv() -> str | None:
    """Python cannot make a virtual environment: Debian keeps that in a package of its own."""
    if find_spec("venv") and find_spec("ensurepip"):
        return None
    minor = ".".join(map(str, sys.version_info[:2]))
    return (
        f"{sys.executable} makes no virtual environment, it has no ensurepip: "
        f"install it (Debian: apt-get install python{minor}-venv), or choose another: make PYTHON=..."
    )


def docker() -> str | None:
    """There is no engine, and none can be installed here."""
    if engine.answers() or debian.can_install():
        return None
    return (
        "no Docker engine answers, and it can only be installed on Debian as root: install Docker Engine, or start it"
    )


def memory() -> str | None:
    """There is too little memory."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
    return None if total >= MEMORY_GIB else f"{MEMORY_GIB} GiB of memory are needed, this machine has {total:.1f}"


def disk() -> str | None:
    """There is too little disk, where the caches or the engine's images lie."""
    needed = DISK_COLD_GIB if images.are_local() and not CHART.exists() else DISK_WARM_GIB
    for path in (CACHE, Path("/var/lib/docker")):
        there = next(parent for parent in (path, *path.parents) if parent.exists())
        free = shutil.disk_usage(there).free / GIB
        if free < needed:
            return f"{needed} GiB of free disk are needed at {there}, there are {free:.1f}"
    return None


def builders() -> str | None:
    """Images are to be built here, and a language's tool is missing."""
    missing = [f"{tool} ({what})" for tool, what in BUILDERS.items() if not shutil.which(tool)]
    return (
        f"no container registry can be reached, and to build the images these are missing: {', '.join(missing)}"
        if images.are_local() and missing
        else None
    )


def mmdebstrap() -> str | None:
    """Images are to be built here, and mmdebstrap, which makes Debian's root, is missing and cannot be installed."""
    if not images.are_local() or shutil.which("mmdebstrap") or debian.can_install():
        return None
    return "to build the images mmdebstrap is missing: install it, with debian-archive-keyring, and run this as root"


def cluster_name() -> str | None:
    """Somebody else's kind cluster has our name."""
    return None if kind.is_ours() else kind.NOT_OURS


def port() -> str | None:
    """Somebody else listens on the port of the agent."""
    with socket.socket() as probe:
        taken = probe.connect_ex(("127.0.0.1", kind.PORT)) == 0
    if not taken or kind.port_owner_is_us() or engine.is_silent():  # it may hold the port for our node
        return None
    return f"port {kind.PORT} of 127.0.0.1 is taken; choose another: make up PORT=18080"


CHECKS: tuple[Callable[[], str | None], ...] = (
    python,
    venv,
    docker,
    memory,
    disk,
    builders,
    mmdebstrap,
    cluster_name,
    port,
)


def problems(cluster: str) -> list[str]:
    """Return a line for each thing that stands in the way of `make up`, none when all is well."""
    of_kind = (cluster_name, port)
    return [problem for check in CHECKS if (cluster == "kind" or check not in of_kind) and (problem := check())]
