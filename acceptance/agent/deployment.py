"""Where the system of a run is deployed: on a cluster that is there or is made for it, as it is or by an overlay."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from acceptance.agent.creation import MANAGERS, created
from acceptance.agent.names import Names
from acceptance.agent.options import AgentOptions
from acceptance.agent.overlay import HINT, MAKE_UP_CONTEXTS, applied, apply_again
from acceptance.agent.schema import ask_inside
from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError
from acceptance.harness.faults.journal import Undo
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.kubeconfig import private_copy
from acceptance.harness.kube.kubectl import Kubectl
from acceptance.harness.suite.environment import Environment, opened
from acceptance.harness.waiting import Waiting


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
