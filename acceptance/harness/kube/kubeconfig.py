"""Which cluster a run may touch, and the private copy of the kubeconfig that reaches it."""

import ipaddress
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml

from acceptance.harness.errors import EnvironmentNotReadyError, KubectlError
from acceptance.harness.kube import proxies
from acceptance.harness.kube.kubectl import Kubectl, output

HINT = "--acceptance-context NAME takes another"
CONTAINER_ADDRESSES = "{{range .Containers}}{{.IPv4Address}} {{end}}"


def choose_context(context: str | None, usual: Sequence[str], known: dict[str, Any], hint: str = HINT) -> str:
    """The context a run uses, out of a flattened kubeconfig: what was named, else the first usual one, or the current.

    Raises EnvironmentNotReadyError when there is none, with a hint at what helps.
    """
    names = [entry["name"] for entry in _entries(known, "contexts")]
    wanted = [context] if context else [*usual] or [str(known.get("current-context") or "")]
    found = [name for name in wanted if name in names]
    if not found:
        raise EnvironmentNotReadyError(
            f"no cluster: the kubeconfig has no context {' or '.join(repr(name) for name in wanted)} "
            f"(it has: {', '.join(names) or 'none'}); {hint}"
        )
    return found[0]


def is_local(cluster: dict[str, Any]) -> bool:
    """Whether a kubeconfig's cluster is loopback or a container of this machine's engine, reached without a proxy."""
    if cluster.get("proxy-url"):
        return False
    try:
        host = urlsplit(str(cluster.get("server"))).hostname or ""
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
        # to call an address that only says "any of mine" is to call this machine: k3d writes it
        return address.is_loopback or address.is_unspecified or host in container_addresses()
    except ValueError:
        return False


def container_addresses() -> set[str]:
    """Addresses of every running container of this machine's engine; none without an engine that answers."""
    try:
        # Networks stay; a container may be gone before it can be inspected.
        networks = output("docker", "network", "ls", "--quiet").split()
        shown = output("docker", "network", "inspect", "--format", CONTAINER_ADDRESSES, *networks)
    except EnvironmentNotReadyError:
        return set()
    return {address.partition("/")[0] for address in shown.split()}


@contextmanager
def private_copy(context: str | None, usual: Sequence[str] = (), hint: str = HINT) -> Iterator[Kubectl]:
    """A kubectl on a copy of the user's kubeconfig, cut down to one context and removed afterwards.

    Raises EnvironmentNotReadyError when there is no such context, or when it is not local and was not named.
    """
    # Without --raw there are no credentials in it.
    chosen = choose_context(context, usual, yaml.safe_load(output("kubectl", "config", "view")) or {}, hint)
    text = output("kubectl", "config", "view", "--raw", "--flatten", "--minify", f"--context={chosen}")
    copied = yaml.safe_load(text)
    name_programs(copied, files())
    clusters = _entries(copied, "clusters")
    if not clusters:
        raise EnvironmentNotReadyError(f"context {chosen!r} of the kubeconfig names no cluster")
    server = str(clusters[0]["cluster"].get("server"))
    if is_local(clusters[0]["cluster"]):
        proxies.spare(urlsplit(server).hostname or "")
    elif not context:
        raise EnvironmentNotReadyError(
            f"context {chosen!r} points at {server}, not at this machine, so it has to be named; {hint}"
        )
    with TemporaryDirectory(prefix="acceptance-") as folder:
        copy = Path(folder) / "kubeconfig"
        copy.touch(mode=0o600)
        copy.write_text(yaml.safe_dump(copied))
        kubectl = Kubectl(copy, chosen)
        try:
            kubectl.run("get", "--raw", "/readyz", timeout_s=10)
        except KubectlError as error:
            raise EnvironmentNotReadyError(f"the cluster of context {chosen!r} does not answer: {error}") from error
        yield kubectl


def files() -> list[Path]:
    """The files that kubectl puts the kubeconfig together from."""
    named = [Path(one) for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    return [one for one in named or [Path.home() / ".kube/config"] if one.is_file()]


def name_programs(config: dict[str, Any], found_in: list[Path]) -> None:
    """Name the programs that give credentials so that they are found from anywhere.

    kubectl looks for `./program` beside the file that names it, which a copy is not.
    """
    folders = {user["name"]: file.parent for file in reversed(found_in) for user in _users(file)}
    for user in _entries(config, "users"):
        program = user["user"].get("exec")
        if program and "/" in program["command"] and user["name"] in folders:
            program["command"] = str((folders[user["name"]] / program["command"]).absolute())


def _users(file: Path) -> list[dict]:  # type: ignore[type-arg]  # YAML of any shape
    return _entries(yaml.safe_load(file.read_text()) or {}, "users")


def _entries(known: dict[str, Any], kind: str) -> list[dict]:  # type: ignore[type-arg]  # YAML of any shape
    entries = known.get(kind)
    return entries if isinstance(entries, list) else []
