"""Requests and events while Kafka or PostgreSQL is away."""

import math
from contextlib import ExitStack
from functools import partial

from acceptance.agent import contract
from acceptance.agent.account import Account
from acceptance.agent.sidecar_log import calls
from acceptance.agent.system import System
from acceptance.harness.errors import EnvironmentNotReadyError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, recovered, slowest
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.load import Load, Stream, unexplained
from acceptance.harness.watching.timeline import Timeline

NOTICED_S = 5
BACK_S = 60


@proves(
    "scenario-26-traffic-kafka-killed",
    "scenario-27-traffic-kafka-frozen",
    "scenario-28-traffic-postgres-frozen",
    "scenario-29-traffic-postgres-killed",
    "endurance-traffic-postgres-killed",
)
def test_requests_are_answered_in_time_and_no_event_is_lost_while_a_backend_is_away(
    system: System,
    entry: Entry,
    cluster: Cluster,
    agent: Api,
    faults: Faults,
    watched: Timeline,
    load: Load,
    account: Account,
    waiting: Waiting,
    judge: Judge,
) -> None:
    pod = system.agent_pod()
    inject = faults.killed if entry.fault == "killed" else faults.frozen
    asked, publishes = streams(f"http://{pod.host}:{contract.APP_PORT}", account.key)
    with ExitStack() as sent:
        sent.enter_context(load.sending(*asked))
        if entry.target != "kafka":
            sent.enter_context(load.sending(publishes))
        with inject(system.target(entry.target), watched, entry.lasts_s) as fault:
            red = waiting.until("/ready to fail", partial(watched.first, "ready", "503", fault.at), NOTICED_S)
            if entry.target == "kafka":
                # Not before: what a dying broker leaves in the sidecar's producer keeps it failing for up to 40 s.
                sent.enter_context(load.sending(publishes))
        answering = partial(watched.first, entry.target, "answers", fault.undone)
        back = waiting.until(f"{entry.target} to answer", answering, BACK_S)
        waiting.until("/ready to be green", partial(watched.first, "ready", "200", back), BACK_S)
        first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
        waiting.until("an event to be published again", partial(watched.first, "publish", "200", back), BACK_S)
    applied = partial(account.require_applied, load.acknowledged("publish"))
    judge.within("applied_s", "every published event to be applied", applied)

    answers = load.answers("publish", "query", "state")
    judge(count("unexplained", unexplained(answers, contract.DEPENDENCIES[entry.target])), slowest("answer_s", answers))
    judge(recovered(watched, red, back), most("first_event_s", first_event))
    judge(count("applied_twice", account.twice()), most("dead_lettered", account.dead_lettered()))
    if entry.target == "kafka":
        logged = partial(calls, cluster, pod, "POST /v1.0/publish/")
        if not logged(back, math.inf):
            raise EnvironmentNotReadyError("daprd logged no publish of those that were answered: none can be counted")
        judge(count("publishes_while_red", logged(red, back)))
    before, restarts = (
        {name: one.restarts for name, one in now.containers.items()} for now in (pod, system.agent_pod())
    )
    expect(restarts == before, f"no container of the agent restarted: {before}", restarts)


def streams(agent: str, key: str) -> tuple[tuple[Stream, ...], Stream]:
    """What is asked of the agent all the while, and the events that it publishes, each over a new connection."""
    event = {"message": "while something is away", "metadata": {"key": key}}
    return (
        (Stream("query", f"{agent}/db/query", 2), Stream("state", f"{agent}/state/{key}-absent", 2)),
        Stream("publish", f"{agent}/publish", 4, "POST", event),
    )
