"""Kafka away while the agent serves on: components/serve-degraded."""

from functools import partial

import pytest

from acceptance.agent import contract
from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import rolled
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most, slowest, took, without_endpoint
from acceptance.harness.watching.load import Load, Stream, failed, unexplained
from acceptance.harness.watching.timeline import Timeline

BACK_S = 60
SERVING = ("state", "query", "invoked state", "invoked query")


@pytest.mark.usefixtures("serve_degraded")
@proves("scenario-24-degraded-kafka-killed", "scenario-25-degraded-kafka-restarted")
def test_state_queries_and_invocation_go_on_while_kafka_is_away(
    system: System, entry: Entry, faults: Faults, watched: Timeline, load: Load, effects: Effects, judge: Judge
) -> None:
    with load.sending(*streams(system, effects.key)):
        began = watched.note("kafka", "about to go")
        if entry.fault == "killed":
            with faults.killed(system.kafka, watched, entry.lasts_s) as fault:
                failed_at = system.until_red(watched, fault.at, judge.bound("ready_fails_s"))
                judge(took("ready_fails_s", fault.at, failed_at))
        else:
            rolled(faults, system.kafka, BACK_S)
        # of several brokers that are restarted one after the other none may be missed
        settled = partial(watched.settled, "ready", "200", began)
        green = system.waiting.until("/ready to be green", settled, BACK_S)
        system.waiting.until("a publish to succeed", partial(watched.first, "publish", "200", green), BACK_S)
    published = load.acknowledged("publish")
    judge.within("applied_s", "every published event to be applied", partial(effects.require, published))

    judge(count("failed_requests", failed(load.answers(*SERVING))), without_endpoint(watched, began))
    publishes = load.answers("publish")
    judge(count("unexplained", unexplained(publishes, contract.DEPENDENCIES["kafka"])))
    judge(slowest("publish_answer_s", publishes), most("dead_lettered", effects.dead_lettered()))


def streams(system: System, key: str) -> tuple[Stream, ...]:
    """State, queries and events through the Service; state and queries from the caller, through both sidecars."""
    agent = system.agent_url()
    invoked = f"{system.caller_url()}/invoke"
    value = {"key": key, "value": "still here"}
    return (
        Stream("state", f"{agent}/state", 3, "POST", value),
        Stream("query", f"{agent}/db/query", 3),
        Stream("invoked state", f"{invoked}/state", 3, "POST", value),
        Stream("invoked query", f"{invoked}/db/query", 3),
        Stream("publish", f"{agent}/publish", 3, "POST", {"message": "degraded", "metadata": {"key": key}}),
    )
