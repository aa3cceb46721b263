"""The agent rolled out anew under load."""

from functools import partial

from acceptance.agent import contract
from acceptance.agent.account import Account
from acceptance.agent.system import System
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import rolled
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, slowest, took, without_endpoint
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.load import Load, Stream, described, failed
from acceptance.harness.watching.timeline import Timeline

WARM_S = 3
ROLLED_OUT_S = 90


@proves("scenario-11-agent-rolled-out", "endurance-agent-rolled-out")
def test_a_rollout_under_load_fails_no_request_and_loses_no_event(
    system: System,
    entry: Entry,
    faults: Faults,
    watched: Timeline,
    load: Load,
    account: Account,
    waiting: Waiting,
    judge: Judge,
) -> None:
    old = system.agent_pod()
    requests = streams(system.agent_url(), account.key)
    names = [one.name for one in requests]
    draining = Stream("draining", f"http://{old.host}:{contract.APP_PORT}/health", 10, keep=True)
    with load.sending(*requests, draining):
        began = watched.note("rollout", "begins")
        for _ in range(entry.times):
            seconds = rolled(faults, system.agent, ROLLED_OUT_S)
            waiting.through(WARM_S, "the load to go on")
    published = load.acknowledged("publish kept") | load.acknowledged("publish new")
    judge.within("applied_s", "every published event to be applied", partial(account.require_applied, published))

    answers = load.answers(*names)
    judge(count("requests", answers), count("failed_requests", failed(answers)), slowest("slowest_s", answers))
    judge(count("events", published), count("applied_twice", account.twice()))
    judge(most("dead_lettered", account.dead_lettered()), most("longest_gap_s", account.longest_gap_s()))
    judge(without_endpoint(watched, began), most("rollout_s", seconds))
    refused = [one for one in watched.of("ready", began) if one.state == "503"]
    # for that alone: a busy machine may make a check of the old pod late
    leaving = [one for one in refused if contract.LEAVING in one.detail]
    expect(leaving, f"/ready to say {contract.LEAVING!r}", described(refused))
    # by its answer: what was asked while that was under way may have been answered before it
    told = leaving[0].at + leaving[0].ms / 1000
    last = [one for one in watched.of("draining", told) if one.state.startswith("200")]
    expect(
        last and {one.state for one in last} == {"200 closing"},
        "`Connection: close` once /ready says no",
        described(last),
    )
    gone = watched.first("health", "refused", told)
    judge(took("drained_s", told, gone))


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
