"""The agent's pod starts while its backends are away: any order will do."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from acceptance.agent import contract, replicas
from acceptance.agent.system import System
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Fault, Faults
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod, Target
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most, took
from acceptance.harness.watching.observers import asking, sampling
from acceptance.harness.watching.timeline import Timeline

APART_S = 30
START_S = 30
BACK_S = 60


@proves(
    "scenario-10-any-order",
    "endurance-any-order-kafka",
    "endurance-any-order-postgres",
    "endurance-any-order-both",
)
def test_an_agent_that_starts_without_its_backends_becomes_ready_once_they_are_there(
    system: System, entry: Entry, agent: Api, faults: Faults, toolbox: Toolbox, timeline: Timeline, judge: Judge
) -> None:
    names = {system.target(name): checks[0] for name, checks in contract.DEPENDENCIES.items() if name in entry.target}
    with ExitStack() as stack:
        with away(faults, tuple(names), timeline, entry.lasts_s) as last:
            pod = started_anew(system)
            stack.enter_context(watching(system, toolbox, timeline, pod))
            healthy = system.waiting.until("/health to answer", partial(timeline.first, "health", "200"), START_S)
            started = started_at(system.cluster, pod, system.agent.container)
            for check in names.values():
                system.until_named(timeline, check, 0.0, START_S)
        # Asked ten times a second: the first question that gets an answer met the first connection that was accepted.
        accepts = system.until_answering(timeline, entry.target.split()[0], last.undone, BACK_S)
        is_ready = partial(timeline.first, "pod", "Ready", accepts)
        system.waiting.until("the pod to be Ready", is_ready, judge.bound("pod_ready_s"))
        # The pod is another one than before: a port-forward may still have to notice.
        system.until_steady(agent)
        first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
        ready = timeline.settled("pod", "Ready", accepts)
    require_no_crash_loop(timeline)
    judge(took("health_s", started, healthy), took("pod_ready_s", accepts, ready), most("first_event_s", first_event))
    before, in_all = (restarts_until(timeline, until) for until in (accepts, float("inf")))
    judge(most("sidecar_restarts_after", in_all - before), most("sidecar_restarts", in_all))


def started_anew(system: System) -> Pod:
    """The pod that takes the place of the agent's, which is deleted. Raises UnmetError when there is none in time."""
    old, known = system.agent_pod(), system.agent_pods()
    system.cluster.delete_pod(old.namespace, old.name)
    new = partial(replicas.new_pod, system, known)
    return system.waiting.until("a new pod of the agent", new, START_S, interval_s=0.05)


@contextmanager
def watching(system: System, toolbox: Toolbox, timeline: Timeline, pod: Pod) -> Iterator[None]:
    """What a pod answers, how it is, and how often its sidecar was restarted; and whether the backends answer."""
    paths = {name: f"http://{pod.host}:{contract.APP_PORT}/{name}" for name in ("health", "ready")}
    with (
        asking(timeline, toolbox, paths, system.backends()),
        sampling(timeline, "pod", partial(state_of, system.cluster, pod), interval_s=0.2),
        sampling(timeline, "restarts", partial(restarts_of, system.cluster, pod), interval_s=0.5),
    ):
        yield


def require_no_crash_loop(timeline: Timeline) -> None:
    """Raise UnmetError if daprd was ever seen in one."""
    loops = [one for one in timeline.of("pod") if one.state == "CrashLoopBackOff"]
    expect(not loops, "no crash loop of daprd at any time", f"{len(loops)} looks at the pod found one")


@contextmanager
def away(faults: Faults, targets: tuple[Target, ...], timeline: Timeline, lasts_s: float) -> Iterator[Fault]:
    """Every target killed; they come back one after the other, and the first of them is the last to be back."""
    with ExitStack() as stack:
        injected = []
        for number, target in enumerate(targets):
            lasts = lasts_s + APART_S * (len(targets) - 1 - number)
            injected.append(stack.enter_context(faults.killed(target, timeline, lasts)))
            faults = replace(faults, require_steady=lambda: None)
        yield injected[0]


def state_of(cluster: Cluster, pod: Pod) -> str:
    """How the agent's pod is: Ready, or why its sidecar is not running."""
    (now,) = [one for one in cluster.pods(pod.namespace) if one.uid == pod.uid]
    return "Ready" if now.ready else now.containers[contract.DAPRD].waiting or "not ready"


def restarts_of(cluster: Cluster, pod: Pod) -> str:
    """How often the sidecar was restarted."""
    (now,) = [one for one in cluster.pods(pod.namespace) if one.uid == pod.uid]
    return str(now.containers[contract.DAPRD].restarts)


def restarts_until(timeline: Timeline, until: float) -> int:
    """How often the sidecar had been restarted by a moment."""
    return max(int(one.state) for one in timeline.of("restarts", until=until) if one.state.isdecimal())


def started_at(cluster: Cluster, pod: Pod, container: str) -> float:
    """When a container began to run, on this machine's monotonic clock; kubelet tells it in whole seconds."""
    status = cluster.core.read_namespaced_pod(pod.name, pod.namespace, _request_timeout=10).status
    (now,) = [one for one in (status.container_statuses if status else None) or [] if one.name == container]
    if not (now.state and now.state.running and now.state.running.started_at):
        raise NotYetError(f"{container} does not run")
    wall: float = now.state.running.started_at.timestamp()
    return wall - time.time() + time.monotonic()
