"""The agent rolled out anew under load."""

from functools import partial

from acceptance.agent import contract
from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import rolled
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, slowest, took, without_endpoint
from acceptance.harness.watching.load import Load, Stream, described, failed
from acceptance.harness.watching.timeline import Timeline

WARM_S = 3
ROLLED_OUT_S = 90


@proves("scenario-11-agent-rolled-out", "endurance-agent-rolled-out")
def test_a_rollout_under_load_fails_no_request_and_loses_no_event(
    system: System, entry: Entry, faults: Faults, watched: Timeline, load: Load, effects: Effects, judge: Judge
) -> None:
    old = system.agent_pod()
    requests = streams(system.agent_url(), effects.key)
    draining = Stream("draining", f"http://{old.host}:{contract.APP_PORT}/health", 10, keep=True)
    with load.sending(*requests, draining):
        began = watched.note("rollout", "begins")
        for _ in range(entry.times):
            seconds = rolled(faults, system.agent, ROLLED_OUT_S)
            system.waiting.through(WARM_S, "the load to go on")
    published = load.acknowledged("publish kept") | load.acknowledged("publish new")
    judge.within("applied_s", "every published event to be applied", partial(effects.require, published))

    answers = load.answers(*(one.name for one in requests))
    judge(count("requests", answers), count("failed_requests", failed(answers)), slowest("slowest_s", answers))
    judge(count("events", published), count("applied_twice", effects.twice()))
    judge(most("dead_lettered", effects.dead_lettered()), most("longest_gap_s", effects.longest_gap_s()))
    judge(without_endpoint(watched, began), most("rollout_s", seconds))
    leaving = leaving_of(watched, began)
    require_connections_closed(watched, leaving)
    judge(took("drained_s", leaving, watched.first("health", "refused", leaving)))


def leaving_of(watched: Timeline, began: float) -> float:
    """When /ready first said that the pod is leaving. Raises UnmetError when it did not."""
    refused = [one for one in watched.of("ready", began) if one.state == "503"]
    # for that alone: a busy machine may make a check of the old pod late
    leaving = [one for one in refused if contract.LEAVING in one.detail]
    expect(leaving, f"/ready to say {contract.LEAVING!r}", described(refused))
    # by its answer: what was asked while that was under way may have been answered before it
    return leaving[0].at + leaving[0].ms / 1000


def require_connections_closed(watched: Timeline, since: float) -> None:
    """Raise UnmetError unless every answer after a moment closes its connection."""
    last = [one for one in watched.of("draining", since) if one.state.startswith("200")]
    closing = last and {one.state for one in last} == {"200 closing"}
    expect(closing, "`Connection: close` once /ready says no", described(last))


def streams(agent: str, key: str) -> tuple[Stream, ...]:
    """100 requests and 50 events a second, half of each over kept connections, half over new ones."""
    event = {"message": "while the agent is rolled out", "metadata": {"key": key}}
    value = {"key": key, "value": "here"}
    return tuple(
        stream
        for kind, keep in (("kept", True), ("new", False))
        for stream in (
            Stream(f"state {kind}", f"{agent}/state", 20, "POST", value, keep),
            Stream(f"query {kind}", f"{agent}/db/query", 15, keep=keep),
            Stream(f"health {kind}", f"{agent}/health", 15, keep=keep),
            Stream(f"publish {kind}", f"{agent}/publish", 25, "POST", event, keep),
        )
    )
