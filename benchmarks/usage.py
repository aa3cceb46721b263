"""What containers used of their CPUs between two moments, as their node counts it."""

from dataclasses import dataclass

from acceptance.agent.system import System
from acceptance.harness.kube.node import Node
from acceptance.harness.kube.objects import Pod

Counters = dict[str, int]


@dataclass(frozen=True)
class Usage:
    """CPU of one container: microseconds, and the share of the scheduler's periods in which its limit held it up."""

    microseconds: int
    throttled: float


class Meter:
    """The counters of the containers that serve a contestant, by name; a container that is new has counted from 0."""

    def __init__(self, system: System, pods: list[str]) -> None:
        self._system = system
        self._pods = pods
        self._before = {identity: counters for identity, (_, counters) in self._counters().items()}

    def used(self) -> dict[str, Usage]:
        """What each container used since the meter was made."""
        return {
            name: _between(self._before.get(identity, {}), after)
            for identity, (name, after) in self._counters().items()
        }

    def _counters(self) -> dict[str, tuple[str, Counters]]:
        """Name and counters of each container by its id: of a new pod it is another."""
        return {
            container.id: (container.name, Node(pod.node).cpu(container.id))
            for pod in self._found()
            for container in pod.containers.values()
        }

    def _found(self) -> list[Pod]:
        system = self._system
        backends = [pod for one in system.own_backends.values() for pod in system.cluster.pods(one.namespace)]
        own = [pod for pod in system.cluster.pods(system.namespace) if pod.name in self._pods]
        return [*backends, *own, *system.agent_pods()]


def _between(before: Counters, after: Counters) -> Usage:
    # a container without a limit has no periods
    spent = {name: after.get(name, 0) - before.get(name, 0) for name in ("usage_usec", "nr_periods", "nr_throttled")}
    return Usage(spent["usage_usec"], spent["nr_throttled"] / max(spent["nr_periods"], 1))
