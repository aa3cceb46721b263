"""What one lock, one crowd, one header, or any bytes take: a share, and never what the others need."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from acceptance.agent import contract
from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.inputs.request import routes_of
from acceptance.agent.inputs.wire import verdict
from acceptance.agent.inputs.wire.case import as_lines
from acceptance.agent.inputs.wire.cases import cases
from acceptance.agent.inputs.wire.verdict import LONGEST_S, SERVER_ERROR, UNAVAILABLE, Outcome
from acceptance.agent.system import System
from acceptance.harness.errors import expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import replaced
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.workload import serving_pod
from acceptance.harness.probes.api import Api
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import balanced, count, most, recovered, slowest, slowest_applied, took
from acceptance.harness.watching.load import Load, Stream, failed, unexplained, writes
from acceptance.harness.watching.observers import sampling
from acceptance.harness.watching.timeline import Timeline
from acceptance.scenarios.conftest import growing

PER_SECOND = 10
BACKENDS = """
SELECT coalesce(max(connections), 0) FROM (
    SELECT count(*) AS connections FROM pg_stat_activity
    WHERE application_name = 'fastapi-dapr-agent' GROUP BY client_addr
) AS replicas
"""
TIMES = 3
ANSWERED_S = 30
RESTARTED_S = 60
SEED, SHOWN, AT_ONCE = 1, 5, 20
ENDLESS = ({"pause_s": 0, "piece": 65536}, {"pause_s": 0.5, "piece": 16})


@contextmanager
def locked(database: Database, table: str, timeline: Timeline) -> Iterator[None]:
    """Nothing is written to a table as long as the block lasts, as while an index is made."""
    with database.connected() as ask:
        ask("BEGIN")
        ask(f"LOCK TABLE {table} IN SHARE MODE")
        timeline.note("lock", "held", table)
        try:
            yield
        finally:
            ask("ROLLBACK")
            timeline.note("lock", "released", table)


@proves("scenario-41-table-locked")
@pytest.mark.usefixtures("memory")
def test_a_lock_takes_no_more_of_the_server_than_the_agents_pool(
    system: System, entry: Entry, database: Database, watched: Timeline, load: Load, effects: Effects, judge: Judge
) -> None:
    agent = f"http://{system.agent_pod().host}:{contract.APP_PORT}"
    asked = Stream("query", f"{agent}/events?key={effects.key}-absent", PER_SECOND)
    backends = sampling(watched, "backends", lambda: str(database.value(BACKENDS)))
    with backends, load.sending(asked, writes(f"{agent}/publish", PER_SECOND, effects.key)):
        with locked(database, "totals", watched):
            since = watched.first("lock", "held")
            system.waiting.through(entry.lasts_s, "a table that is locked")
        released, red = watched.first("lock", "released"), watched.first("ready", "503", since)
        green = partial(watched.settled, "ready", "200", red)
        system.waiting.until("/ready to be green", green, judge.bound("ready_again_s"))

    ledger = load.ledger()
    judge(balanced(effects.settle(ledger, judge.bound("slowest_applied_s"))), slowest_applied(ledger, effects.all()))
    judge(took("noticed_s", since, red), recovered(watched, red, released))
    answers = load.answers("query")
    judge(count("unexplained", unexplained(answers, ["database"])), slowest("answer_s", answers))
    counts = [int(one.state) for one in watched.of("backends", since, released)]
    expect(len(counts) >= entry.lasts_s, "the server's connections to be counted each second", len(counts))
    judge(most("backends", *counts))


@proves("scenario-42-crowd")
def test_a_crowd_is_answered_and_ready_stays_right(
    system: System, entry: Entry, faults: Faults, toolbox: Toolbox, load: Load, judge: Judge
) -> None:
    # a process keeps memory of every crowd for the next, so what it takes hangs on those it has seen
    replaced(faults, system.agent, within_s=RESTARTED_S)
    pod = system.agent_pod()
    wanted = {"host": pod.ip, "port": contract.APP_PORT, "path": "/db/query", "connections": entry.times}
    ready = Stream("ready", f"http://{pod.host}:{contract.APP_PORT}/ready", 2)
    with load.sending(ready), growing(system, judge):
        crowds = [
            toolbox.run("crowd", json.dumps(wanted | {"seconds": ANSWERED_S}), timeout_s=2 * ANSWERED_S)
            for _ in range(TIMES)
        ]
    statuses = [crowd["statuses"] for crowd in crowds]
    expect(all(set(one) <= {"200", "503"} for one in statuses), "every answer to be 200 or 503", statuses)
    expect(all("200" in one for one in statuses), "some of each crowd to be served", statuses)
    answers = load.answers("ready")
    judge(most("served", sum(one.get("200", 0) for one in statuses)))
    judge(most("slowest_s", *(crowd["slowest_s"] for crowd in crowds)))
    judge(count("not_ready", failed(answers)), slowest("ready_s", answers))


@proves("scenario-43-endless-headers")
@pytest.mark.usefixtures("memory")
def test_headers_without_an_end_are_refused_in_time(
    system: System, entry: Entry, toolbox: Toolbox, judge: Judge
) -> None:
    pod = system.agent_pod()
    wanted = {"host": pod.ip, "port": contract.APP_PORT, "connections": entry.times, "seconds": ANSWERED_S, "mib": 64}
    found = [toolbox.run("endless", json.dumps(wanted | how), timeout_s=2 * ANSWERED_S) for how in ENDLESS]
    statuses = [{one["status"] for one in answers} for answers in found]
    # what is sent faster than it is refused may be answered by a reset alone
    expect(statuses[0] <= {431, 0} and statuses[1] == {408}, "431 or an end of many bytes, 408 of few", statuses)
    judge(most("slowest_s", *(one["seconds"] for answers in found for one in answers)))
    judge(most("taken_mib", *(one["bytes"] / 2**20 for answers in found for one in answers)))


@proves("scenario-44-bytes")
@pytest.mark.usefixtures("memory")
def test_no_bytes_do_harm(
    system: System, entry: Entry, cluster: Cluster, agent: Api, app_token: str, toolbox: Toolbox, judge: Judge
) -> None:
    routes = routes_of(agent.json("GET", "/openapi.json"))
    found = []
    for name, prefix, times in (
        (system.agent.name, "", entry.times),
        (system.caller.name, "/invoke", entry.times // 2),
    ):
        pod = serving_pod(cluster, system.namespace, name)
        chosen = list(cases(routes, SEED, times, prefix))
        wanted = {"host": pod.ip, "port": contract.APP_PORT, "at_once": AT_ONCE, "seconds": LONGEST_S}
        told = toolbox.run("wire", json.dumps(wanted), stdin=as_lines(chosen, app_token), timeout_s=4 * ANSWERED_S)
        found += [(name, case, verdict.judge(case, Outcome.of(one))) for case, one in zip(chosen, told, strict=True)]

    found.sort(key=lambda one: -one[2].status)
    wrong = [f"{name}: {one.complaint}\n{case.told}" for name, case, one in found if one.complaint]
    expect(not wrong, "every outcome as promised", f"{len(wrong)} not so\n" + "\n".join(wrong[:SHOWN]))
    statuses = [one.status for _, _, one in found]
    judge(count("connections", found), count("unavailable", [one for one in statuses if one == UNAVAILABLE]))
    judge(count("server_errors", [one for one in statuses if one >= SERVER_ERROR and one != UNAVAILABLE]))
    judge(most("slowest_s", *(one.seconds for _, _, one in found)))
