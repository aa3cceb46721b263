"""`python3 -m images [PART ...] [--into NODE]`: builds what is missing, and links tools and chart to one place."""

import argparse
import shutil
import sys
from pathlib import Path

from acceptance.harness.kube import proxies
from cluster import debian, engine
from cluster.console import SurroundingsError, fail, say
from cluster.lock import only_one
from cluster.paths import CHART, TOOLS
from images.build import folder_of
from images.node import bake, fill
from images.recipe import Part, parts
from images.schedule import build_all

HOST_TOOLS = {
    "kind": ("go.kind", "bin/kind"),
    "helm": ("go.helm", "bin/helm"),
    "kubectl": ("go.kubernetes", "bin/kubectl"),
}


def link(name: Path, target: Path) -> None:
    """Let a symbolic link point to what was built last."""
    name.parent.mkdir(parents=True, exist_ok=True)
    name.unlink(missing_ok=True)
    name.symlink_to(target)


def ensure_engine() -> None:
    """Make sure of what makes images: a Docker engine that answers, and mmdebstrap. Raises SurroundingsError."""
    engine.ensure()
    if not shutil.which("mmdebstrap"):
        debian.install(["mmdebstrap"])


def main() -> int:
    """Build everything, or only the parts that are named; returns the exit code."""
    known: dict[str, Part] = parts()
    parser = argparse.ArgumentParser(prog="python3 -m images", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help="build only these, such as go.kind")
    parser.add_argument("--into", metavar="NODE", help="bring what is new into this running node as well")
    options = parser.parse_args()
    if unknown := set(options.parts) - known.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are: {', '.join(known)}")
    proxies.spare()
    try:
        with only_one("images"):
            build_all({name: known[name] for name in options.parts} if options.parts else known, ensure_engine)
            if not options.parts:
                bake(known)
            if options.into:
                fill(options.into, known)
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
    sys.exit(main())
