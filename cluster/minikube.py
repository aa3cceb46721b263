"""The same on minikube. Untried with a real one: minikube itself is not to be had from package registries."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cluster.console import SurroundingsError, ask, run, say
from cluster.paths import VERSIONS

NAME = "fastapi-dapr-agent"
CONTEXT = NAME
OVERLAY = "minikube"


def is_ours() -> bool:
    """Tell whether the profile may be used: a minikube profile of this name is always ours."""
    return True


def ensure() -> None:
    """Start the profile, unless it runs; one that was stopped or paused goes on with its data. Raises CommandError."""
    if ask(["minikube", "status", "--profile", NAME]) is not None:
        say(f"    the profile {NAME} runs")
        return
    run(
        [
            "minikube",
            "start",
            "--profile",
            NAME,
            "--driver=docker",
            f"--kubernetes-version=v{VERSIONS['kubernetes']}",
            "--cpus=2",
            "--memory=6g",
        ]
    )


def load(images: Sequence[str], _key: str) -> None:
    """Bring images of this machine into the node. Raises CommandError."""
    run(["minikube", "image", "load", "--profile", NAME, "--overwrite=true", *images])


def delete() -> None:
    """Remove the profile, if there is one. Raises SurroundingsError without minikube."""
    if ask(["minikube", "version", "--short"]) is None:
        raise SurroundingsError("minikube is not installed")
    run(["minikube", "delete", "--profile", NAME])


@contextmanager
def reach() -> Iterator[str]:
    """Yield an address that leads to the agent for as long as it is needed. Raises SurroundingsError."""
    forward = ["kubectl", "--context", CONTEXT, "--namespace=fastapi-app", "port-forward", "service/fastapi-dapr-agent"]
    say(f"    $ {' '.join(forward)} :80 &")
    with subprocess.Popen([*forward, ":80"], stdout=subprocess.PIPE, text=True) as process:
        try:
            # its first line tells which port of this machine it took
            first = process.stdout.readline() if process.stdout else ""
            if not first:
                raise SurroundingsError("kubectl could not forward a port to the agent")
            yield f"http://{first.split()[2]}"
        finally:
            process.terminate()
    say(f"\nTo reach the agent:\n    {' '.join(forward)} 8080:80")
