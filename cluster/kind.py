"""The kind cluster: is it there, is it ours, is it whole; make it, fill it, remove it."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from cluster import images, node
from cluster.console import SurroundingsError, ask, run, say
from cluster.node import NAME, NODE, container
from cluster.paths import CHECKOUT, STATE, VERSIONS

CONTEXT = node.CONTEXT
OVERLAY = "kind"
PORT = int(os.environ.get("PORT", "8080"))
# Which node container we made; written before it exists, so that one half made is known as ours.
OWNED = STATE / "kind-node"
NOT_OURS = (
    f"this project did not make the kind cluster {NAME}, or cannot tell while its node is stopped; "
    f"start it: docker start {NODE}, or remove it: kind delete cluster --name {NAME}"
)
SUBNETS = ("10.96.0.0/16", "10.244.0.0/16")
"""Of Services and pods, as kind has them by itself."""
# While an endpoint comes or goes, what a pod sends to a Service or a pod may find no rule and no route, and leaves the
# node. Where a proxy answers all that comes by, clients of Kafka have read its "HTTP" as a length: 1.2 GB.
KEEP_IN = """
for subnet; do
    rule="FORWARD --out-interface eth0 --destination $subnet --protocol tcp --jump REJECT --reject-with tcp-reset"
    iptables --check $rule 2>/dev/null || iptables --insert $rule || exit
done
"""


def is_ours() -> bool:
    """Tell whether the cluster of this name was made by us (or none exists)."""
    there = container()
    return there is None or (OWNED.exists() and OWNED.read_text() in ("creating", there)) or node.is_complete()


def is_half_made() -> bool:
    """Tell whether its creation was interrupted: kind writes the context last, so nobody has used it yet."""
    return bool(container()) and OWNED.exists() and OWNED.read_text() == "creating" and not node.has_context()


def ensure() -> None:
    """Make the cluster; one that is there goes on with its data, stopped or not. Raises SurroundingsError."""
    if is_half_made():
        say(f"    the creation of the cluster {NAME} was interrupted: it is made anew")
        run(["kind", "delete", "cluster", "--name", NAME])
    if container():
        node.go_on()
        if images.are_local():
            images.make("--into", NODE)
    else:
        create()
    keep_in()
    if not node.is_complete():
        run([*node.KUBECTL, "label", "nodes", "--all", "--overwrite", node.COMPLETE])


def create() -> None:
    """Make a new cluster. Raises CommandError."""
    OWNED.parent.mkdir(parents=True, exist_ok=True)
    OWNED.write_text("creating")
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as config:
        config.write((CHECKOUT / "cluster/kind.yaml").read_text().replace("hostPort: 8080", f"hostPort: {PORT}"))
        config.flush()
        image = f"{'local/kind-node' if images.are_local() else 'kindest/node'}:v{VERSIONS['kubernetes']}"
        run(["kind", "create", "cluster", "--name", NAME, "--image", image, "--config", config.name, "--wait", "120s"])
    OWNED.write_text(container() or "")


def keep_in() -> None:
    """Let no connection of a pod to a Service or a pod leave the node. Raises CommandError."""
    run(["docker", "exec", NODE, "sh", "-c", KEEP_IN, "sh", *SUBNETS])


def load(names: Sequence[str], key: str) -> None:
    """Bring images of this machine into the node, unless their content is there. Raises CommandError."""
    loaded = STATE / "kind-loaded"
    if loaded.exists() and loaded.read_text() == f"{container()} {key}":
        return
    run(["kind", "load", "docker-image", "--name", NAME, *names])
    loaded.write_text(f"{container()} {key}")


def delete() -> None:
    """Remove the cluster, and kind's network when nobody else is on it. Raises SurroundingsError for another's."""
    if not is_ours():
        raise SurroundingsError(NOT_OURS)
    if container():
        run(["kind", "delete", "cluster", "--name", NAME])
    if ask(["docker", "network", "inspect", "--format", "{{len .Containers}}", "kind"]) == "0":
        run(["docker", "network", "rm", "kind"])
    OWNED.unlink(missing_ok=True)


@contextmanager
def reach() -> Iterator[str]:
    """Yield the agent's address on this machine, which stays: the port the cluster was made with."""
    address = f"http://{ask(['docker', 'port', NODE, '30080/tcp'])}"
    yield address
    say(f"\nThe agent answers on {address}, its documentation on {address}/docs:\n    curl {address}/ready")


def port_owner_is_us() -> bool:
    """Tell whether the node's container is what listens on our port."""
    return f"127.0.0.1:{PORT}" in (ask(["docker", "port", NODE]) or "")
