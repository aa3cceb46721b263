"""Where the system of a run is deployed: on a cluster that is there or is made for it, as it is or by an overlay."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from pytest_kubernetes.options import ClusterOptions  # type: ignore[import-untyped]  # ships no types
from pytest_kubernetes.providers import select_provider_manager  # type: ignore[import-untyped]  # ships no types
from pytest_kubernetes.providers.base import AClusterManager  # type: ignore[import-untyped]  # ships no types

from acceptance.agent.names import Names
from acceptance.agent.options import AgentOptions
from acceptance.agent.overlay import HINT, MAKE_UP_CONTEXTS, applied, apply_again
from acceptance.agent.schema import ask_inside
from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError, UndoIncompleteError
from acceptance.harness.faults.journal import Undo
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.kubeconfig import private_copy
from acceptance.harness.kube.kubectl import Kubectl, output
from acceptance.harness.suite.environment import Environment, opened
from acceptance.harness.waiting import Waiting
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


@contextmanager
def deployed(
    options: AgentOptions, context: str | None, run: str, waiting: Waiting, failed: Callable[[], bool]
) -> Iterator[Environment]:
    """The cluster that the options name, checked and held; what was created for the run goes with it, as --keep says.

    Raises EnvironmentNotReadyError.
    """

    def keep() -> bool:
        return options.keep == "always" or (options.keep == "on-failure" and failed())

    with ExitStack() as stack:
        if options.cluster in MANAGERS:
            kubectl = stack.enter_context(created(options.cluster, keep))
        else:
            usual = tuple(MAKE_UP_CONTEXTS) if options.cluster == "auto" else ()
            kubectl = stack.enter_context(private_copy(context, usual, HINT))
        require_dapr(kubectl)
        undo = undo_table(Cluster(kubectl))
        environment = stack.enter_context(opened(kubectl, name_of(options.names), run, waiting, undo))
        overlay = options.overlay or (options.cluster if options.cluster in MANAGERS else None)
        if overlay:
            stack.enter_context(applied(kubectl, environment.journal, overlay, options.names, keep))
        yield environment


def name_of(names: Names) -> str:
    """What Lease and journal of runs on a system are called, whatever checkout they come from."""
    return f"acceptance-{names.namespace}"


def undo_table(cluster: Cluster) -> dict[str, Undo]:
    """How what only this suite does is undone."""
    return {"query": partial(ask_inside, cluster), "apply": partial(apply_again, cluster)}


def require_dapr(kubectl: Kubectl) -> None:
    """Raise EnvironmentNotReadyError unless the cluster knows Dapr's kinds."""
    try:
        kubectl.run("get", "crd", "components.dapr.io", "-o", "name")
    except KubectlError as error:
        raise EnvironmentNotReadyError(f"Dapr is not installed: {error}") from error
