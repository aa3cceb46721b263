"""The kind cluster's one node: is it there, does it answer, and how one that was stopped goes on with its data."""

from cluster.console import CommandError, SurroundingsError, ask, run, say
from cluster.waiting import comes

NAME = "fastapi-dapr-agent"
CONTEXT = f"kind-{NAME}"
NODE = f"{NAME}-control-plane"
COMPLETE = "fastapi-dapr-agent/complete=true"
# By the state of the node's container: what lets it go on.
GO_ON = {"paused": "unpause", "exited": "start", "created": "start"}
BACK_SECONDS = 300
KEPT = "the cluster is kept, with its data; to give it up: make down, then make up"
SINCE = '{range .items[*].status.containerStatuses[*]}{.state.running.startedAt}{"\\n"}{end}'
"""Since when each container of each pod runs, as its pod has it."""
RENEWED = ["get", "lease", "--namespace=kube-system", "kube-controller-manager", "--output=jsonpath={.spec.renewTime}"]
"""When the controllers were last at work: until they are, each Deployment is told as it was before."""
KUBECTL = ["kubectl", "--context", CONTEXT, "--request-timeout=5s"]


def container() -> str | None:
    """Return the id of the node's container, running or not; None without one."""
    return ask(["docker", "inspect", "--format", "{{.Id}}", NODE])


def is_complete() -> bool:
    """Tell whether the cluster answers and was made to its end."""
    return bool(ask([*KUBECTL, "get", "nodes", "--selector", COMPLETE, "--output=name"]))


def has_context() -> bool:
    """Tell whether the kubeconfig leads to the cluster."""
    return ask(["kubectl", "config", "get-contexts", CONTEXT, "--output=name"]) is not None


def is_back() -> bool:
    """Tell whether the cluster answers, and nothing is still told as it was before the node last started."""
    started = (ask(["docker", "inspect", "--format", "{{.State.StartedAt}}", NODE]) or "")[:19]
    since = ask([*KUBECTL, "get", "pods", "--all-namespaces", f"--output=jsonpath={SINCE}"])
    renewed = ask([*KUBECTL, *RENEWED])
    return since is not None and all(one >= started for one in [renewed or "", *since.split()])


def go_on() -> None:
    """Start or unpause the node, and wait until the cluster answers. Raises SurroundingsError if it does not."""
    state = ask(["docker", "inspect", "--format", "{{.State.Status}}", NODE]) or ""
    say(f"    the cluster {NAME} is there, its node is {state}")
    try:
        if state in GO_ON:
            run(["docker", GO_ON[state], NODE])
        if not has_context():
            run(["kind", "export", "kubeconfig", "--name", NAME])
    except CommandError as error:
        raise SurroundingsError(f"{error}\n{KEPT}") from error
    if not comes(f"waiting for the cluster {NAME}, and word of every pod", is_back, BACK_SECONDS):
        raise SurroundingsError(f"{NODE} did not answer within {BACK_SECONDS} s; look: docker logs {NODE}\n{KEPT}")
