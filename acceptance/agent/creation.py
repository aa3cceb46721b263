"""A cluster of the run's own, made by pytest-kubernetes and filled as `make up` fills its own."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from pytest_kubernetes.options import ClusterOptions  # type: ignore[import-untyped]  # ships no types
from pytest_kubernetes.providers import select_provider_manager  # type: ignore[import-untyped]  # ships no types
from pytest_kubernetes.providers.base import AClusterManager  # type: ignore[import-untyped]  # ships no types

from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError
from acceptance.harness.kube.kubectl import Kubectl, output
from cluster import console, dapr, images, python_images
from cluster.console import SurroundingsError
from cluster.paths import CHECKOUT, VERSIONS

NAME = "pytest-fastapi-dapr-agent"
READY_S = 120
LISTING = {"kind": ("kind", "get", "clusters"), "minikube": ("minikube", "profile", "list", "--light", "--output=json")}
BY_HAND = {
    "kind": f"remove it by `kind delete cluster --name {NAME}`, "
    f"or use it by `kind export kubeconfig --name {NAME}` and --context kind-{NAME}",
    "minikube": f"remove it by `minikube delete -p {NAME}`, "
    f"or use it by `minikube update-context -p {NAME}` and --context {NAME}",
}


@contextmanager
def created(provider: str, keep: Callable[[], bool]) -> Iterator[Kubectl]:
    """A new kind or minikube cluster with images and Dapr, removed unless `keep` says otherwise at the end.

    pytest-kubernetes deletes the kubeconfig it is given: it gets one of its own, in a folder that goes with the run.
    Raises EnvironmentNotReadyError when the cluster cannot be made, or is there already: it is not ours to remove.
    """
    if NAME in re.split(r'["\s]+', output(*LISTING[provider])):
        raise EnvironmentNotReadyError(f"cluster {NAME} exists, kept or in use by another run: {BY_HAND[provider]}")
    with TemporaryDirectory(prefix="acceptance-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        manager = MANAGERS[provider](Path(folder))
        try:
            yield Kubectl(kubeconfig, _make(provider, manager, kubeconfig))
        finally:
            if not keep():
                _remove(manager)


def _make(provider: str, manager: AClusterManager, kubeconfig: Path) -> str:
    """Create the cluster and fill it; its context."""
    try:
        with _environment(KUBECONFIG=str(kubeconfig)):
            with console.phase(f"A {provider} cluster, {NAME}"), console.beating([f"{provider} creates it"]):
                manager.create(ClusterOptions(kubeconfig_path=kubeconfig), timeout=READY_S)
            context = str(yaml.safe_load(kubeconfig.read_text())["current-context"])
            if images.are_local() and provider == "kind":
                images.make("--into", f"{NAME}-control-plane")
            python_images.build()
            for image in python_images.names():
                manager.load_image(image)
            dapr.ensure(context)
    except (SurroundingsError, RuntimeError, OSError, subprocess.SubprocessError) as error:
        raise EnvironmentNotReadyError(f"a {provider} cluster could not be made: {error}") from error
    return context


def _remove(manager: AClusterManager) -> None:
    try:
        manager.delete()
    except (OSError, subprocess.SubprocessError) as error:
        raise UndoIncompleteError(f"cluster {NAME} could not be removed: {error}") from error


@contextmanager
def _environment(**values: str) -> Iterator[None]:
    """Variables for the commands behind a block; restored afterwards, as the plugin writes into them too."""
    former = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in former.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _kind(folder: Path) -> AClusterManager:
    node = "local/kind-node" if images.are_local() else "kindest/node"
    config = yaml.safe_load((CHECKOUT / "cluster/kind.yaml").read_text())
    # Without the ports of the cluster of `make up`, so that both can run side by side.
    nodes = [{"role": "control-plane", "image": f"{node}:v{VERSIONS['kubernetes']}"}]
    file = folder / "kind.yaml"
    file.write_text(yaml.safe_dump({**config, "name": NAME, "nodes": nodes}))
    return select_provider_manager("kind")(provider_config=str(file))


def _minikube(_folder: Path) -> AClusterManager:
    return select_provider_manager("minikube", {"version": VERSIONS["kubernetes"]})(NAME)


MANAGERS: dict[str, Callable[[Path], AClusterManager]] = {"kind": _kind, "minikube": _minikube}
