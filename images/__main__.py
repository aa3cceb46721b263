"""`python3 -m images`: builds what is not built yet, and links the host's tools and Dapr's chart to a place of one name."""

import sys
from pathlib import Path

from cluster.console import SurroundingsError, fail, say
from cluster.paths import CHART, TOOLS
from images.build import build_all, folder_of
from images.node import bake
from images.recipe import Part, parts

HOST_TOOLS = {"kind": ("go.kind", "bin/kind"), "helm": ("go.helm", "bin/helm"), "kubectl": ("go.kubernetes", "bin/kubectl")}


def link(name: Path, target: Path) -> None:
    """Let a symbolic link point to what was built last."""
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)
    name.symlink_to(target)


def main(argv: list[str]) -> int:
    """Build everything, or with names (`go.kind`) only these parts; returns the exit code."""
    known: dict[str, Part] = parts()
    try:
        build_all({name: known[name] for name in argv} if argv else known)
        if not argv:
            bake(known)
    except SurroundingsError as error:
        return fail(error)
    for tool, (part, path) in HOST_TOOLS.items():
        if (folder_of(known[part]) / path).exists():
            link(TOOLS / tool, folder_of(known[part]) / path)
    if (chart := folder_of(known["go.dapr"]) / "chart").exists():
        link(CHART, chart)
    say("    everything is built")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
