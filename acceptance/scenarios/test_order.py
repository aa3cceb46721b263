"""The agent's pod starts while its backends are away: any order will do."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from acceptance.agent import contract, replicas
from acceptance.agent.readiness import named
from acceptance.agent.system import System
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.fault import Fault
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod, Target
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most, took
from acceptance.harness.waiting import Waiting
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
    system: System,
    entry: Entry,
    cluster: Cluster,
    agent: Api,
    faults: Faults,
    toolbox: Toolbox,
    timeline: Timeline,
    waiting: Waiting,
    judge: Judge,
) -> None:
    names = {system.target(name): checks[0] for name, checks in contract.DEPENDENCIES.items() if name in entry.target}
    targets = tuple(names)
    with ExitStack() as watching:
        with away(faults, targets, timeline, entry.lasts_s) as last:
            old, known = system.agent_pod(), system.agent_pods()
            cluster.delete_pod(old.namespace, old.name)
            pod = waiting.until(
                "a new pod of the agent", partial(replicas.new_pod, system, known), START_S, interval_s=0.05
            )
            paths = {name: f"http://{pod.host}:{contract.APP_PORT}/{name}" for name in ("health", "ready")}
            watching.enter_context(asking(timeline, toolbox, paths, system.backends()))
            watching.enter_context(sampling(timeline, "pod", partial(state_of, cluster, pod), interval_s=0.2))
            watching.enter_context(sampling(timeline, "restarts", partial(restarts_of, cluster, pod), interval_s=0.5))
            healthy = waiting.until("/health to answer", partial(timeline.first, "health", "200"), START_S)
            started = started_at(cluster, pod, system.agent.container)
            for target in targets:
                waiting.until(f"/ready to name {target.name}", partial(named, timeline, names[target]), START_S)
        # Asked ten times a second: the first question that gets an answer met the first connection that was accepted.
        accepting = partial(timeline.first, entry.target.split()[0], "answers", last.undone)
        accepts = waiting.until(f"{last.target.name} to accept a connection", accepting, BACK_S)
        waiting.until(
            "the pod to be Ready", partial(timeline.first, "pod", "Ready", accepts), judge.bound("pod_ready_s")
        )
        # The pod is another one than before: a port-forward may still have to notice.
        system.until_steady(agent)
        first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
        ready = timeline.settled("pod", "Ready", accepts)
    loops = [one for one in timeline.of("pod") if one.state == "CrashLoopBackOff"]
    expect(not loops, "no crash loop of daprd at any time", f"{len(loops)} looks at the pod found one")
    judge(took("health_s", started, healthy), took("pod_ready_s", accepts, ready))
    before, in_all = (restarts_until(timeline, until) for until in (accepts, float("inf")))
    judge(most("sidecar_restarts_after", in_all - before), most("sidecar_restarts", in_all))
    judge(most("first_event_s", first_event))


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
