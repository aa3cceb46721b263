"""Which cluster a run may touch, and the private copy of the kubeconfig that reaches it."""

import ipaddress
import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import yaml

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kubectl import Kubectl, KubectlError

# What `make up` calls its context, on kind and on minikube.
MAKE_UP_CONTEXTS = ("kind-fastapi-dapr-agent", "fastapi-dapr-agent")


def choose_context(cluster: str, context: str | None, known: dict[str, object]) -> str:
    """The context a run uses, out of a flattened kubeconfig. Raises EnvironmentNotReadyError when there is none."""
    names = [entry["name"] for entry in _entries(known, "contexts")]
    if context:
        wanted = [context]
    elif cluster == "current":
        wanted = [str(known.get("current-context") or "")]
    else:
        wanted = list(MAKE_UP_CONTEXTS)
    found = [name for name in wanted if name in names]
    if not found:
        raise EnvironmentNotReadyError(
            f"no cluster: the kubeconfig has no context {' or '.join(repr(name) for name in wanted)} "
            f"(it has: {', '.join(names) or 'none'}); `make up` makes one, --context NAME takes another"
        )
    return found[0]


def server_of(context: str, known: dict[str, object]) -> str:
    """The API server's address of a context."""
    cluster = next(entry["context"]["cluster"] for entry in _entries(known, "contexts") if entry["name"] == context)
    return str(next(entry["cluster"]["server"] for entry in _entries(known, "clusters") if entry["name"] == cluster))


def is_local(server: str, container_addresses: set[str]) -> bool:
    """Whether an API server is loopback or a container of this machine's engine."""
    host = urlsplit(server).hostname or ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return address.is_loopback or host in container_addresses


def container_addresses() -> set[str]:
    """Addresses of every running container of this machine's engine; none without an engine that answers."""
    try:
        docker = shutil.which("docker") or "docker"
        ids = _output(docker, "ps", "--quiet").split()
    except EnvironmentNotReadyError:
        return set()
    inspected = json.loads(_output(docker, "inspect", *ids) or "[]") if ids else []
    networks = [network for one in inspected for network in one["NetworkSettings"]["Networks"].values()]
    return {network["IPAddress"] for network in networks if network.get("IPAddress")}


@contextmanager
def private_copy(cluster: str, context: str | None) -> Iterator[Kubectl]:
    """A kubectl on a copy of the user's kubeconfig, cut down to one context and removed afterwards.

    Raises EnvironmentNotReadyError when there is no such context, or when it is not local and was not named.
    """
    known = yaml.safe_load(_output(shutil.which("kubectl") or "kubectl", "config", "view", "--raw", "--flatten")) or {}
    chosen = choose_context(cluster, context, known)
    server = server_of(chosen, known)
    if not context and not is_local(server, container_addresses()):
        raise EnvironmentNotReadyError(
            f"context {chosen!r} points at {server}, not at this machine; name it to use it: --context {chosen}"
        )
    with TemporaryDirectory(prefix="acceptance-") as folder:
        copy = Path(folder) / "kubeconfig"
        copy.touch(mode=0o600)
        copy.write_text(yaml.safe_dump({**known, "current-context": chosen}))
        kubectl = Kubectl(copy, chosen)
        try:
            kubectl.run("get", "--raw", "/readyz", timeout_s=10)
        except KubectlError as error:
            raise EnvironmentNotReadyError(f"the cluster of context {chosen!r} does not answer: {error}") from error
        yield kubectl


def _entries(known: dict[str, object], kind: str) -> list[dict]:  # type: ignore[type-arg]  # YAML of any shape
    entries = known.get(kind)
    return entries if isinstance(entries, list) else []


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    except FileNotFoundError as error:
        raise EnvironmentNotReadyError(f"{command[0]} is not on PATH") from error
    except subprocess.CalledProcessError as error:
        raise EnvironmentNotReadyError(f"{' '.join(command[:3])}: {error.stderr.strip()}") from error
