"""Requests and events while Kafka or PostgreSQL is away."""

import math
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial

import pytest

from acceptance.agent import contract
from acceptance.agent.dapr import calls
from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.objects import Pod
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, recovered, slowest
from acceptance.harness.watching.load import Load, Stream, unexplained
from acceptance.harness.watching.timeline import Seen, Timeline

NOTICED_S = 5
BACK_S = 60


@dataclass(frozen=True)
class Traffic:
    """What is asked of the agent all the while, and the events that it publishes, each over a new connection."""

    load: Load
    effects: Effects
    asked: tuple[Stream, ...]
    published: Stream

    def asking(self) -> AbstractContextManager[None]:
        """Ask as long as the block lasts."""
        return self.load.sending(*self.asked)

    def publishing(self) -> AbstractContextManager[None]:
        """Publish as long as the block lasts."""
        return self.load.sending(self.published)

    def answers(self) -> list[Seen]:
        """What became of every request."""
        return self.load.answers(*(one.name for one in (self.published, *self.asked)))

    def unexplained(self, target: str) -> list[Seen]:
        """Answers that no client can act on while a backend is away."""
        return unexplained(self.answers(), contract.DEPENDENCIES[target])

    def require_applied(self) -> None:
        """Raise NotYetError while an acknowledged event has no effect."""
        self.effects.require(self.load.acknowledged(self.published.name))


@pytest.fixture
def traffic(system: System, load: Load, effects: Effects) -> Traffic:
    """Traffic to the agent's pod."""
    agent, key = f"http://{system.agent_pod().host}:{contract.APP_PORT}", effects.key
    event = {"message": "while something is away", "metadata": {"key": key}}
    asked = (Stream("query", f"{agent}/db/query", 2), Stream("state", f"{agent}/state/{key}-absent", 2))
    return Traffic(load, effects, asked, Stream("publish", f"{agent}/publish", 4, "POST", event))


@proves(
    "scenario-26-traffic-kafka-killed",
    "scenario-27-traffic-kafka-frozen",
    "scenario-28-traffic-postgres-frozen",
    "scenario-29-traffic-postgres-killed",
    "endurance-traffic-postgres-killed",
)
def test_requests_are_answered_in_time_and_no_event_is_lost_while_a_backend_is_away(
    system: System, entry: Entry, agent: Api, faults: Faults, watched: Timeline, traffic: Traffic, judge: Judge
) -> None:
    inject, pod = faults.killed if entry.fault == "killed" else faults.frozen, system.agent_pod()
    with ExitStack() as sent:
        sent.enter_context(traffic.asking())
        if entry.target != "kafka":
            sent.enter_context(traffic.publishing())
        with inject(system.target(entry.target), watched, entry.lasts_s) as fault:
            red = system.until_red(watched, fault.at, NOTICED_S)
            if entry.target == "kafka":
                # Not before: what a dying broker leaves in the sidecar's producer keeps it failing for up to 40 s.
                sent.enter_context(traffic.publishing())
        back = system.until_answering(watched, entry.target, fault.undone, BACK_S)
        system.until_green(watched, back, BACK_S)
        first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
        system.waiting.until("an event to be published again", partial(watched.first, "publish", "200", back), BACK_S)
    judge.within("applied_s", "every published event to be applied", traffic.require_applied)

    judge(count("unexplained", traffic.unexplained(entry.target)), slowest("answer_s", traffic.answers()))
    judge(recovered(watched, red, back), most("first_event_s", first_event))
    judge(count("applied_twice", traffic.effects.twice()), most("dead_lettered", traffic.effects.dead_lettered()))
    if entry.target == "kafka":
        judge(count("publishes_while_red", publishes_of(system, pod, red, back)))
    require_not_restarted(system, pod)


def publishes_of(system: System, pod: Pod, since: float, until: float) -> list[str]:
    """The publishes that a pod's sidecar logged in a span. Raises EnvironmentNotReadyError if it logs none at all."""
    logged = partial(calls, system.cluster, pod, "POST /v1.0/publish/")
    if not logged(until, math.inf):
        raise EnvironmentNotReadyError("daprd logged no publish of those that were answered: none can be counted")
    return logged(since, until)


def require_not_restarted(system: System, pod: Pod) -> None:
    """Raise UnmetError unless every container of the agent is the one that it was."""
    before, restarts = (
        {name: one.restarts for name, one in now.containers.items()} for now in (pod, system.agent_pod())
    )
    expect(restarts == before, f"no container of the agent restarted: {before}", restarts)
