"""kind, kubectl and helm: those on PATH, else our own build of them, linked into a folder on PATH."""

import os
import shutil
from pathlib import Path

from cluster import images
from cluster.console import SurroundingsError, say
from cluster.paths import CACHE, TOOLS

MADE_FROM = {"kind": "go.kind", "helm": "go.helm", "kubectl": "go.kubernetes"}


def link_folder() -> Path:
    """Return where links to tools go: a folder that is on PATH for this user."""
    return Path("/usr/local/bin") if os.geteuid() == 0 else Path.home() / ".local/bin"


def ensure(names: list[str]) -> None:
    """Make sure that each tool is on PATH. Raises SurroundingsError where one is missing and cannot be built."""
    for name in names:
        if shutil.which(name):
            continue
        if name not in MADE_FROM or not shutil.which("go"):
            raise SurroundingsError(f"{name} is not on PATH, and there is no Go to build it with: install {name}")
        if not (TOOLS / name).exists():
            images.make(MADE_FROM[name])
        link = link_folder() / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(TOOLS / name)
        say(f"    {link} -> {TOOLS / name}")
        if not shutil.which(name):
            raise SurroundingsError(f"{link.parent} is not on PATH; add it, and run this again")


def unlink() -> list[Path]:
    """Remove our links and return them; links of others stay."""
    ours = [
        link for name in MADE_FROM if (link := link_folder() / name).is_symlink() and CACHE in link.readlink().parents
    ]
    for link in ours:
        link.unlink()
    return ours
