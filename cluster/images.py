"""Where images come from: a container registry, or images/ where none can be reached."""

import functools
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from cluster.console import SurroundingsError, ask, run, say
from cluster.paths import CHECKOUT

REGISTRY = "https://registry-1.docker.io/v2/"
REGISTRY_TIMEOUT_SECONDS = 3
SOURCES = ("auto", "local", "registry")


@functools.cache
def are_local() -> bool:
    """Tell whether images are built here; IMAGES=auto asks the registry once. Raises SurroundingsError."""
    source = os.environ.get("IMAGES", "auto")
    if source not in SOURCES:
        raise SurroundingsError(f"IMAGES={source}: must be one of {', '.join(SOURCES)}")
    return source == "local" or (source == "auto" and not _registry_answers())


def _registry_answers() -> bool:
    try:
        urllib.request.urlopen(REGISTRY, timeout=REGISTRY_TIMEOUT_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # it asks who we are, so it is there
    except OSError:
        return False
    return True


def make(*arguments: str | Path) -> None:
    """Run images/ as a command of its own: builds what is missing, shows its own progress. Raises SurroundingsError."""
    command = [sys.executable, "-m", "images", *map(str, arguments)]
    say(f"    $ {' '.join(['python3', *command[1:]])}")
    if subprocess.run(command, cwd=CHECKOUT, check=False).returncode:
        raise SurroundingsError("the images are not complete; what was built is kept, and the same command carries on")


def remove() -> None:
    """Remove the images that were built here, by their label; those of others stay."""
    found = (ask(["docker", "images", "--quiet", "--filter", "label=fastapi-dapr-agent.key"]) or "").split()
    if found:
        # as docker lists them, the latest first: an image does not go before those that were made of it
        run(["docker", "rmi", "--force", *dict.fromkeys(found)])
