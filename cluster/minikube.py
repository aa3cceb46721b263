"""The same on minikube. Untried with a real one: minikube itself is not to be had from package registries."""

from collections.abc import Sequence

from cluster.console import SurroundingsError, ask, run, say
from cluster.paths import VERSIONS

NAME = "fastapi-dapr-agent"
CONTEXT = NAME
OVERLAY = "minikube"


def is_ours() -> bool:
    """Tell whether the profile may be used: a minikube profile of this name is always ours."""
    return True


def ensure(*, engine_was_started: bool) -> None:
    """Start the profile, unless it runs. Raises CommandError."""
    if not engine_was_started and ask(["minikube", "status", "--profile", NAME]) is not None:
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


def address() -> str | None:
    """There is no fixed address: a port-forward leads to the agent."""
    return None
