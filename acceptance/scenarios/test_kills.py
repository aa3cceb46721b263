"""The sidecar and the agent killed in place, with SIGKILL."""

from functools import partial

from acceptance.agent.system import System
from acceptance.harness.faults.faults import Faults
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most, recovered, share, took
from acceptance.harness.watching.timeline import Timeline


@proves("scenario-8-sidecar-killed")
def test_a_killed_sidecar_is_named_and_all_recovers(
    system: System, agent: Api, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    with faults.killed_in_place(system.sidecar, watched) as fault:
        restarted = watched.note("sidecar", "restarted")
        noticed = system.until_named(watched, "dapr", fault.at, judge.bound("noticed_s"))
        system.until_green(watched, noticed, judge.bound("ready_again_s"))
        first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
        judge(took("noticed_s", fault.at, noticed), recovered(watched, noticed, restarted))
        judge(most("first_event_s", first_event))
        judge(share("unhealthy_percent", watched, "health", fault.at, other_than="200"))


@proves("scenario-9-agent-killed")
def test_a_killed_agent_comes_back_and_all_recovers(
    system: System, agent: Api, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    with faults.killed_in_place(system.agent, watched) as fault:
        refused = partial(watched.first, "health", "refused", fault.at)
        gone = system.waiting.until("/health to be refused", refused, 5)
        system.until_green(watched, gone, judge.bound("ready_again_s"))
        first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
        judge(recovered(watched, gone, fault.at), most("first_event_s", first_event))
