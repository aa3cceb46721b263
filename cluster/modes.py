"""The modes of what is built: a umask, or a package's own archive, may keep it from whoever is to read it."""

from pathlib import Path

from cluster.console import run


def let_read(folder: Path) -> None:
    """Let everybody read a folder with all that is in it: neither a container's user nor PostgreSQL's is ours."""
    run(["chmod", "-R", "u=rwX,go=rX", folder])
