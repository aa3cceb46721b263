"""`python3 -m cluster COMMAND`: what the Makefile's targets run."""

import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

from acceptance.harness.kube import proxies
from cluster import (
    context,
    dapr,
    debian,
    engine,
    images,
    kind,
    minikube,
    password,
    python_images,
    servers,
    tools,
)
from cluster.console import SurroundingsError, fail, phase, print_phases, run, say, speaking_for
from cluster.deploy import Deployment, send_event
from cluster.doctor import problems
from cluster.lock import only_one
from cluster.paths import CACHE, CHECKOUT

PROVIDERS: dict[str, ModuleType] = {"kind": kind, "minikube": minikube}


def provider() -> ModuleType:
    """Return the module of CLUSTER (kind by default). Raises SurroundingsError for another value."""
    name = os.environ.get("CLUSTER", "kind")
    if name not in PROVIDERS:
        raise SurroundingsError(f"CLUSTER={name}: must be one of {', '.join(PROVIDERS)}")
    return PROVIDERS[name]


def up() -> None:
    """From nothing to a running agent; where something is there, verify it and carry on."""
    where = provider()
    with phase("Look around"):
        doctor()
    if images.are_local():
        with phase("Docker engine, and images from package registries"):
            images.make()  # what needs no engine is built while one is installed
    else:
        with phase("Docker engine"):
            engine.ensure()
    with phase("Python's tools"):
        run(["make", "--no-print-directory", ".venv/installed"], cwd=CHECKOUT)
    with phase("Tools"):
        tools.ensure([where.__name__.rpartition(".")[2], "kubectl", "helm"])
    with phase("Cluster, and the agent's image"), ThreadPoolExecutor(1) as beside:
        building = beside.submit(build_images)
        context.remember()
        where.ensure()
        building.result()
    image = load_images()
    with phase("Dapr"):
        dapr.ensure(where.CONTEXT)
    apply(image)
    print_phases()


def deploy() -> None:
    """Build the agent's image, apply the overlay, roll out what changed, and show that it works."""
    apply(load_images())


def build_images() -> None:
    """Build the images of our own code beside something else: mostly that waits for PyPI."""
    with speaking_for("agent"):
        python_images.build()


def load_images() -> str:
    """Build the images of our own code and bring them into the cluster; returns the content key of the agent's."""
    with phase("Agent image, and the toolbox's"):
        keys = python_images.build()
        provider().load(python_images.names(), " ".join(keys.values()))
    return keys[python_images.AGENT.names[0]]


def toolbox() -> None:
    """Build the image of the suite's own pod."""
    with phase("Toolbox image"):
        python_images.TOOLBOX.build()


def apply(image: str) -> None:
    """Apply the overlay, roll out what changed, and send one event all the way."""
    where = provider()
    system = Deployment(where.CONTEXT, where.OVERLAY)
    with phase(f"Overlay {where.OVERLAY}"):
        system.apply()
        password.match(system.kubectl)
        system.restart_changed(image)
    with phase("Rollout"):
        system.wait()
        system.show_pods()
    with phase("One event, all the way"), where.reach() as address:
        send_event(address)


def down() -> None:
    """Remove the cluster, its network and its context."""
    with phase("Remove the cluster"):
        provider().delete()
        context.restore()
    say("    The Docker engine stays, and so do the caches; `make clean` removes what was built.")


def clean() -> None:
    """Remove the cluster, links, .venv and everything that was built."""
    if engine.answers():
        down()
    with phase("Remove what was built"):
        for link in tools.unlink():
            say(f"    removed {link}")
        for folder in (CHECKOUT / ".venv", CHECKOUT / "build", CACHE):
            if folder.exists():
                run(["rm", "-rf", folder])
        images.remove()
    say("    The Docker engine stays, with its cache of builds; so do Go's, Maven's and pip's own caches.")


def doctor() -> None:
    """Say what stands in the way of `make up`. Raises SurroundingsError if anything does."""
    found = problems(provider().__name__.rpartition(".")[2])
    if found:
        raise SurroundingsError("\n       ".join(found))
    say("    nothing stands in the way")


def prerequisites() -> None:
    """Make sure of what tests need beside Python: kubectl, servers, a pooler, clients; on Debian by its packages."""
    tools.ensure(["kubectl"])
    there = {
        "postgresql": any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        "pgbouncer": shutil.which("pgbouncer"),
        "maven": shutil.which("mvn") or not servers.missing(),
        "curl": shutil.which("curl"),
        "nodejs": shutil.which("node"),
        # not Go: Debian's may be too old for the images, and would be taken for what they need
        "default-jdk-headless": shutil.which("javac"),
    }
    if (missing := [package for package, found in there.items() if not found]) and debian.can_install():
        debian.install(missing)
    if shutil.which("mvn"):
        servers.ensure()


COMMANDS = {
    "prerequisites": prerequisites,
    "up": up,
    "deploy": deploy,
    "toolbox": toolbox,
    "down": down,
    "clean": clean,
    "doctor": doctor,
}


def main(argv: list[str]) -> int:
    """Run one command and return its exit code: 10 when the surroundings stand in the way."""
    if len(argv) != 1 or argv[0] not in COMMANDS:
        sys.stderr.write(f"usage: python3 -m cluster {'|'.join(COMMANDS)}\n")
        return 4
    proxies.spare()
    try:
        with only_one("cluster"):
            COMMANDS[argv[0]]()
    except SurroundingsError as error:
        return fail(error)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; the same command carries on\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
