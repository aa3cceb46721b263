"""The agent's sidecar hung, or without its Components."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from uuid import uuid4

import httpx

from acceptance.agent import contract
from acceptance.agent.contract import named
from acceptance.agent.system import System
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.journal import Journal
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most, recovered, share, took
from acceptance.harness.watching.observers import sampling
from acceptance.harness.watching.timeline import Timeline

LOADED = {
    contract.PUBSUB: (f"component {contract.PUBSUB}", f"subscription {contract.TOPIC}"),
    contract.STATESTORE: (f"component {contract.STATESTORE}",),
}
HEALTH_OF_CALLER = f"/v1.0/invoke/{contract.CALLER}/method/health"
SAMPLED_S = 1.0
NAMED_S = 15


@proves("scenario-21-sidecar-hung")
def test_a_sidecar_that_hangs_is_named_and_all_recovers(
    system: System, entry: Entry, agent: Api, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    with faults.frozen(system.sidecar, watched, entry.lasts_s) as fault:
        noticed = system.until_named(watched, "dapr", fault.at, judge.bound("noticed_s"), "no answer within")
    system.until_green(watched, fault.undone, judge.bound("ready_again_s"))
    first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
    judge(share("unhealthy_percent", watched, "health", fault.at, other_than="200"))
    judge(took("noticed_s", fault.at, noticed), recovered(watched, fault.undone, fault.undone))
    judge(most("first_event_s", first_event))


@proves("scenario-22-pubsub-missing", "scenario-23-statestore-missing")
def test_a_sidecar_without_a_component_is_named_and_all_recovers(
    system: System, entry: Entry, agent: Api, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    with deleted(system, faults.journal, entry.target, watched) as (gone, restore):
        noticed = system.until_named(watched, "dapr", gone, judge.bound("noticed_s"), entry.target)
        with replace(faults, require_steady=lambda: None).killed_in_place(system.sidecar, watched) as fault:
            for missing in LOADED[entry.target]:
                system.until_named(watched, "dapr", fault.at, NAMED_S, missing)
            back = restore()
            system.until_green(watched, back, judge.bound("ready_again_s"))
            first_event = system.publish_and_wait(agent, judge.bound("first_event_s"))
            judge(recovered(watched, back, back), most("first_event_s", first_event))
            judge(took("noticed_s", gone, noticed))
            judge(share("unhealthy_percent", watched, "health", gone, other_than="200"))


@proves("endurance-component-missing")
def test_what_is_missing_for_good_takes_nothing_from_what_works(
    system: System, entry: Entry, agent: Api, sidecar: Api, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    key = f"acceptance-{uuid4()}"
    agent.json("POST", "/state", json={"key": key, "value": "here"})
    paths = {"state": f"/v1.0/state/{contract.STATESTORE}/{key}", "invocation": HEALTH_OF_CALLER}
    with ExitStack() as stack:
        gone, restore = stack.enter_context(deleted(system, faults.journal, entry.target, watched))
        for name, path in paths.items():
            stack.enter_context(sampling(watched, name, partial(status_of, sidecar, path), SAMPLED_S))
        killing = replace(faults, require_steady=lambda: None).killed_in_place(system.sidecar, watched)
        fault = stack.enter_context(killing)
        system.waiting.through(entry.lasts_s, f"{entry.target} to be missing for good")
        judge(took("gave_up_s", fault.at, named(watched, "dapr", fault.at, "there will be no more")))
        judge(most("restarts", system.agent_pod().containers[system.sidecar.container].restarts))
        judge(share("state_away_percent", watched, "state", gone, other_than="200"))
        judge(share("invocation_away_percent", watched, "invocation", gone, other_than="200"))
        judge(share("unhealthy_percent", watched, "health", gone, other_than="200"))
        back = restore()
        judge(took("ready_again_s", back, system.until_green(watched, back, judge.bound("ready_again_s"))))
        judge(most("first_event_s", system.publish_and_wait(agent, judge.bound("first_event_s"))))
    agent.json("DELETE", f"/state/{key}")


def status_of(api: Api, path: str) -> str:
    """The status of the answer to a GET, or that there was none."""
    try:
        return str(api.call("GET", path).status_code)
    except (NotYetError, httpx.TransportError):
        return "away"


@contextmanager
def deleted(
    system: System, journal: Journal, component: str, timeline: Timeline
) -> Iterator[tuple[float, Callable[[], float]]]:
    """A Component that is gone: since when, and how to put it back; it is put back in any case."""
    undo = journal.promise("create", manifest=system.cluster.dapr_resources(system.namespace, "components")[component])

    def restore() -> float:
        journal.undo(undo)
        return timeline.note("fault", "undone", component)

    system.cluster.kubectl.run("-n", system.namespace, "delete", "component", component)
    try:
        yield timeline.note("fault", "deleted", component), restore
    finally:
        if undo in journal.open_entries():
            restore()
