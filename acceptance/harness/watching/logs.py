"""Container logs, followed into files from the start of a run, so that a deleted pod's log is kept."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

import urllib3
from kubernetes import client

from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Container, Pod

LOOK_S = 0.5
SINCE_S = 60
READ_BYTES = 1 << 18
SEVERE = re.compile(r'"level": "(?:warning|error)|level=(?:warning|error|fatal)|\b(?:WARN|ERROR|FATAL|PANIC)\b')
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)[.,\d]*")


def file_of(pod: Pod, container: Container) -> str:
    """The name of the file that one instance of a container is followed into."""
    return f"{pod.namespace}_{pod.name}_{container.name}_{container.restarts}.log"


def of_the_gone(folder: Path, namespace: str, pods: Iterable[Pod], since: float) -> list[Path]:
    """Logs of containers of a namespace that are no more, written to since a moment of the wall clock, newest first.

    `pods` are those that are there.
    """
    there = {file_of(pod, container) for pod in pods for container in pod.containers.values()}
    files = {file.stat().st_mtime: file for file in folder.glob(f"{namespace}_*.log") if file.name not in there}
    return [files[at] for at in sorted(files, reverse=True) if at >= since]


def severe_since(folder: Path, since: float) -> list[str]:
    """What the followed containers logged as a warning or worse since a moment of the wall clock, oldest first.

    A line tells its level and its time in UTC as the agent, daprd, PostgreSQL or Kafka write them.
    """
    began = f"{datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M:%S}"
    found = []
    for file in folder.glob("*.log"):
        text = file.read_bytes()[-READ_BYTES:].decode(errors="replace")
        for line in filter(SEVERE.search, text.splitlines()):
            at = TIME.search(line)
            if at and " ".join(at.groups()) >= began:
                found.append((" ".join(at.groups()), f"{file.stem}: {line}"))
    return [line for _, line in sorted(found)]


class LogFollower:
    """Follows every container of some namespaces, new ones too, each instance into a file of its own."""

    def __init__(self, cluster: Cluster, namespaces: tuple[str, ...], folder: Path, mask: Callable[[str], str]) -> None:
        self._cluster = cluster
        self._namespaces = namespaces
        self._folder = folder
        self._mask = mask
        self._followed: set[str] = set()
        self._ending = Event()
        self._thread = Thread(target=self._look, name="logs", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking for new containers; what is followed ends with the run."""
        self._ending.set()
        self._thread.join(timeout=10)

    def _look(self) -> None:
        while not self._ending.wait(LOOK_S):
            for namespace in self._namespaces:
                try:
                    pods = self._cluster.pods(namespace)
                except (client.ApiException, urllib3.exceptions.HTTPError):
                    # The API server may be busy or away for a moment; the next look comes soon.
                    continue
                for pod in pods:
                    self._follow_new(pod)

    def _follow_new(self, pod: Pod) -> None:
        for container in pod.containers.values():
            if container.id and container.id not in self._followed:
                self._followed.add(container.id)
                file = self._folder / file_of(pod, container)
                Thread(target=self._follow, args=(pod, container.name, file), daemon=True).start()

    def _follow(self, pod: Pod, container: str, file: Path) -> None:
        try:
            response: Any = self._cluster.core.read_namespaced_pod_log(
                pod.name, pod.namespace, container=container, follow=True, since_seconds=SINCE_S, _preload_content=False
            )
            with file.open("a") as out:
                for line in response:
                    out.write(self._mask(line.decode(errors="replace")))
                    out.flush()
        except (client.ApiException, urllib3.exceptions.HTTPError) as error:
            with file.open("a") as out:
                out.write(f"[the log ends here: {type(error).__name__}]\n")
