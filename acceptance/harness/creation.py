"""A cluster of the run's own, made by pytest-kubernetes and filled as `make up` fills its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from pytest_kubernetes.options import ClusterOptions  # type: ignore[import-untyped]  # ships no types
from pytest_kubernetes.providers import select_provider_manager  # type: ignore[import-untyped]  # ships no types
from pytest_kubernetes.providers.base import AClusterManager  # type: ignore[import-untyped]  # ships no types

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kubectl import Kubectl
from cluster import agent_image, dapr, images
from cluster.console import SurroundingsError
from cluster.paths import CHECKOUT, VERSIONS

NAME = "pytest-fastapi-dapr-agent"
READY_S = 120


@contextmanager
def created(provider: str, keep: Callable[[], bool]) -> Iterator[Kubectl]:
    """A new kind or minikube cluster with images and Dapr, removed unless `keep` says otherwise at the end.

    pytest-kubernetes deletes the kubeconfig it is given: it gets one of its own, in a folder that goes with the run.
    Raises EnvironmentNotReadyError when the cluster cannot be made.
    """
    with TemporaryDirectory(prefix="acceptance-") as folder:
        kubeconfig = Path(folder) / "kubeconfig"
        manager = MANAGERS[provider](Path(folder))
        try:
            manager.create(ClusterOptions(kubeconfig_path=kubeconfig), timeout=READY_S)
            context = yaml.safe_load(kubeconfig.read_text())["current-context"]
            _fill(provider, manager, kubeconfig, context)
            yield Kubectl(kubeconfig, context)
        except (SurroundingsError, RuntimeError, OSError) as error:
            raise EnvironmentNotReadyError(f"a {provider} cluster could not be made: {error}") from error
        finally:
            if not keep():
                manager.delete()


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


def _fill(provider: str, manager: AClusterManager, kubeconfig: Path, context: str) -> None:
    """Images, then Dapr's chart; the commands behind both read KUBECONFIG."""
    former = os.environ.get("KUBECONFIG")
    os.environ["KUBECONFIG"] = str(kubeconfig)
    try:
        if images.are_local() and provider == "kind":
            images.make("--into", f"{NAME}-control-plane")
        agent_image.build()
        for image in agent_image.IMAGES:
            manager.load_image(image)
        dapr.ensure(context)
    finally:
        os.environ.pop("KUBECONFIG")
        if former is not None:
            os.environ["KUBECONFIG"] = former
