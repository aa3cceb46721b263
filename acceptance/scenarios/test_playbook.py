"""What people who come from the playbook type; and a namespace that is deleted, and applied again."""

from contextlib import ExitStack
from functools import partial
from typing import Any

from acceptance.agent import names, overlay, playbook
from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.options import AgentOptions
from acceptance.agent.playbook import Command, Shell
from acceptance.agent.system import System
from acceptance.harness.errors import NotApplicableError, NotYetError, UnmetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, most
from acceptance.harness.suite.run import Run
from acceptance.harness.waiting import Waiting

VALUE = {"from": "before"}
SHOWN_S = 15
DELETED_S = 120


@proves("scenario-47-playbook")
def test_what_is_typed_shows_its_effect(
    system: System, cluster: Cluster, agent: Api, database: Database, waiting: Waiting, run: Run, judge: Judge
) -> None:
    require_usual(system)
    system.until_steady(agent)
    wrong, typed = [], 0
    with ExitStack() as stack:
        shell = stack.enter_context(playbook.shell(cluster.kubectl))
        for command in playbook.load():
            if command.stays:
                port, here = stack.enter_context(playbook.staying(cluster.kubectl, command.typed))
                shell.ports[port] = here
            elif command.run:
                typed += 1
                try:
                    waiting.until(command.run, partial(require_shown, shell, command, database, run), SHOWN_S, 1)
                except UnmetError as error:
                    wrong.append(f"{command.run}: {error.seen}")
    judge(count("typed", range(typed)), count("wrong", wrong))


def require_usual(system: System) -> None:
    """Raise NotApplicableError where the system has other names than the playbook, and our overlays, have for it."""
    if system.names != names.load():
        raise NotApplicableError("the names here are others")


def require_shown(shell: Shell, command: Command, database: Database, run: Run) -> None:
    """Raise NotYetError unless a command shows what it has to, and no secret but where that is what it is for."""
    output = shell.run(command.run)
    if command.logs_in:
        if not database.accepts(output):
            raise NotYetError("PostgreSQL does not take it for a password")
        return
    if run.masking.mask(output) != output:
        raise NotYetError("there is a secret in it")
    if missing := command.missing(output):
        raise NotYetError(f"{missing} in {output.strip()[:200]}")


@proves("scenario-48-namespace-deleted")
def test_an_apply_brings_everything_back(
    system: System,
    agent: Api,
    faults: Faults,
    effects: Effects,
    toolbox: Toolbox,
    agent_options: AgentOptions,
    judge: Judge,
) -> None:
    require_usual(system)
    faults.begin(system.agent)
    name = overlay.deployed(system.cluster.kubectl.context, agent_options.overlay)
    agent.json("POST", "/state", json={"key": effects.key, "value": VALUE})
    first = publish_and_apply(agent, effects, judge)
    before = kept(agent, effects.key)

    with faults.journal.promised("apply", overlay=name):
        system.cluster.kubectl.run("delete", "namespace", system.namespace, timeout_s=DELETED_S)
    judge.within("back_s", "the steady state", partial(system.require_steady, agent))
    toolbox.start()  # it was in that namespace
    now = kept(agent, effects.key)
    expect(now == before, f"state and events of before: {before}", now)
    agent.json("DELETE", f"/state/{effects.key}")
    publish_and_apply(agent, effects, judge, first)
    judge(count("applied_twice", effects.twice()), most("dead_lettered", effects.dead_lettered()))


def publish_and_apply(agent: Api, effects: Effects, judge: Judge, *before: str) -> str:
    """The id of an event that is in effect, as those before are."""
    content = {"message": "before or after", "metadata": {"key": effects.key}}
    event_id = str(agent.json("POST", "/publish", json=content)["id"])
    judge.within("applied_s", "an event to be applied", partial(effects.require, {event_id, *before}))
    return event_id


def kept(agent: Api, key: str) -> dict[str, Any]:
    """The state and the events of a key. Raises UnmetError unless the state is what was saved."""
    state = agent.json("GET", f"/state/{key}")
    expect(state["value"] == VALUE, f"the state that was saved: {VALUE}", state)
    return {"state": state, "events": agent.json("GET", f"/events?key={key}")}
