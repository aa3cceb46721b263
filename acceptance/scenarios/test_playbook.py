"""What people who come from the playbook type; and a namespace that is deleted, and applied again."""

from contextlib import ExitStack
from functools import partial
from uuid import uuid4

from acceptance.agent import names, overlay, playbook
from acceptance.agent.account import Account
from acceptance.agent.database import Database
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
    cluster: Cluster,
    agent: Api,
    faults: Faults,
    account: Account,
    toolbox: Toolbox,
    agent_options: AgentOptions,
    judge: Judge,
) -> None:
    require_usual(system)
    key, value = f"acceptance-{uuid4()}", {"from": "before"}
    faults.begin(system.agent)
    name = overlay.deployed(cluster.kubectl.context, agent_options.overlay)
    agent.json("POST", "/state", json={"key": key, "value": value})
    event = agent.json("POST", "/publish", json={"message": "before", "metadata": {"key": account.key}})
    judge.within("applied_s", "the event to be applied", partial(account.require_applied, {event["id"]}))
    before = agent.json("GET", f"/events?key={account.key}")

    with faults.journal.promised("apply", overlay=name):
        cluster.kubectl.run("delete", "namespace", system.namespace, timeout_s=DELETED_S)
    judge.within("back_s", "the steady state", partial(system.require_steady, agent))
    toolbox.start()  # it was in that namespace

    expect(agent.json("GET", f"/state/{key}")["value"] == value, f"the state of before: {value}", "another")
    now = agent.json("GET", f"/events?key={account.key}")
    expect(now == before, f"the events of before: {before}", now)
    agent.json("DELETE", f"/state/{key}")
    later = agent.json("POST", "/publish", json={"message": "after", "metadata": {"key": account.key}})
    judge.within(
        "applied_s", "an event of now to be applied", partial(account.require_applied, {event["id"], later["id"]})
    )
    judge(count("applied_twice", account.twice()), most("dead_lettered", account.dead_lettered()))
