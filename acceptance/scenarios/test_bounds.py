"""What one lock, one crowd, one header, or any bytes take: a share, and never what the others need."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from acceptance.conftest import Bound, Measure
from acceptance.harness import route, system
from acceptance.harness.api import Api
from acceptance.harness.audit import Audit
from acceptance.harness.catalogue import Entry, proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.database import Database
from acceptance.harness.errors import expect
from acceptance.harness.load import Load, Stream, described, failed, slowest_s, unexplained, writes
from acceptance.harness.memory import mebibytes
from acceptance.harness.observers import sampling
from acceptance.harness.timeline import Timeline
from acceptance.harness.toolbox import Toolbox
from acceptance.harness.waiting import Waiting
from acceptance.harness.wire.case import as_lines
from acceptance.harness.wire.cases import cases
from acceptance.harness.wire.verdict import LONGEST_S, SERVER_ERROR, UNAVAILABLE, Outcome, judge
from acceptance.harness.workload import serving_pod
from acceptance.scenarios.conftest import MeasureBalances

PER_SECOND = 10
BACKENDS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'fastapi-dapr-agent'"
TIMES = 3
ANSWERED_S = 30
SEED, SHOWN, AT_ONCE = 1, 5, 20
ENDLESS = ({"pause_s": 0, "piece": 65536}, {"pause_s": 0.5, "piece": 16})


@pytest.fixture
def memory(cluster: Cluster, agent: Api, waiting: Waiting, measure: Measure) -> Iterator[None]:
    """How much agent and sidecar grew over the test, and that neither was restarted."""
    system.until_steady(cluster, agent, waiting)
    restarts, before = system.restarts(cluster), mebibytes(cluster)
    yield
    expect(system.restarts(cluster) == restarts, f"every container as it was: {restarts}", system.restarts(cluster))
    for name, mib in mebibytes(cluster).items():
        measure(f"{name}_grew_mib", max(0.0, mib - before[name]))


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
    entry: Entry,
    cluster: Cluster,
    database: Database,
    watched: Timeline,
    load: Load,
    audit: Audit,
    waiting: Waiting,
    bound: Bound,
    measure: Measure,
    measure_balances: MeasureBalances,
) -> None:
    pod = system.agent_pod(cluster)
    agent = f"http://{pod.ip}:{system.APP_PORT}"
    asked = Stream("query", f"{agent}/events?key={audit.prefix}-absent", PER_SECOND)
    with (
        sampling(watched, "backends", lambda: str(database.value(BACKENDS))),
        load.sending(asked, writes(f"{agent}/publish", PER_SECOND, audit.prefix)),
    ):
        with locked(database, "totals", watched):
            since = watched.first("lock", "held")
            waiting.through(entry.lasts_s, "a table that is locked")
        released = watched.first("lock", "released")
        red = watched.first("ready", "503", since)
        waiting.until("/ready to be green", lambda: watched.settled("ready", "200", red), bound("ready_again_s"))

    ledger = load.ledger()
    measure_balances(audit.settle(ledger, bound("slowest_applied_s")))
    measure("slowest_applied_s", *audit.slowest(ledger))
    measure("noticed_s", red - since)
    measure("ready_again_s", max(0.0, watched.settled("ready", "200", red) - released))
    answers = load.answers("query")
    odd = unexplained(answers, ["database"])
    measure("unexplained", len(odd), described(odd))
    measure("answer_s", slowest_s(answers))
    counts = [int(one.state) for one in watched.of("backends", since, released)]
    expect(len(counts) >= entry.lasts_s, "the server's connections to be counted each second", len(counts))
    measure("backends", max(counts))


@proves("scenario-42-crowd")
@pytest.mark.usefixtures("memory")
def test_a_crowd_is_answered_and_ready_stays_right(
    entry: Entry, cluster: Cluster, toolbox: Toolbox, load: Load, measure: Measure
) -> None:
    pod = system.agent_pod(cluster)
    wanted = {"host": pod.ip, "port": system.APP_PORT, "path": "/db/query", "connections": entry.times}
    ready = Stream("ready", f"http://{pod.ip}:{system.APP_PORT}/ready", 2)
    with load.sending(ready):
        crowds = [
            toolbox.run("crowd", json.dumps(wanted | {"seconds": ANSWERED_S}), timeout_s=2 * ANSWERED_S)
            for _ in range(TIMES)
        ]
    statuses = [crowd["statuses"] for crowd in crowds]
    expect(all(set(one) <= {"200", "503"} for one in statuses), "every answer to be 200 or 503", statuses)
    expect(all("200" in one for one in statuses), "some of each crowd to be served", statuses)
    measure("served", sum(one.get("200", 0) for one in statuses))
    measure("slowest_s", max(crowd["slowest_s"] for crowd in crowds))
    measure("not_ready", len(failed(load.answers("ready"))))
    measure("ready_s", slowest_s(load.answers("ready")))


@proves("scenario-43-endless-headers")
@pytest.mark.usefixtures("memory")
def test_headers_without_an_end_are_refused_in_time(
    entry: Entry, cluster: Cluster, toolbox: Toolbox, measure: Measure
) -> None:
    pod = system.agent_pod(cluster)
    wanted = {"host": pod.ip, "port": system.APP_PORT, "connections": entry.times, "seconds": ANSWERED_S, "mib": 64}
    found = [toolbox.run("endless", json.dumps(wanted | how), timeout_s=2 * ANSWERED_S) for how in ENDLESS]
    statuses = [{one["status"] for one in answers} for answers in found]
    # what is sent faster than it is refused may be answered by a reset alone
    expect(statuses[0] <= {431, 0} and statuses[1] == {408}, "431 or an end of many bytes, 408 of few", statuses)
    measure("slowest_s", max(one["seconds"] for answers in found for one in answers))
    measure("taken_mib", max(one["bytes"] for answers in found for one in answers) / 2**20)


@proves("scenario-44-bytes")
@pytest.mark.usefixtures("memory")
def test_no_bytes_do_harm(
    entry: Entry, cluster: Cluster, agent: Api, app_token: str, toolbox: Toolbox, measure: Measure
) -> None:
    routes = route.routes(agent.json("GET", "/openapi.json"))
    found = []
    for name, prefix, count in ((system.AGENT, "", entry.times), (system.CALLER, "/invoke", entry.times // 2)):
        pod = serving_pod(cluster, system.NAMESPACE, name)
        chosen = list(cases(routes, SEED, count, prefix))
        wanted = {"host": pod.ip, "port": system.APP_PORT, "at_once": AT_ONCE, "seconds": LONGEST_S}
        told = toolbox.run("wire", json.dumps(wanted), stdin=as_lines(chosen, app_token), timeout_s=4 * ANSWERED_S)
        found += [(name, case, judge(case, Outcome.of(one))) for case, one in zip(chosen, told, strict=True)]

    found.sort(key=lambda one: -one[2].status)
    wrong = [f"{name}: {one.complaint}\n{case.told}" for name, case, one in found if one.complaint]
    expect(not wrong, "every outcome as promised", f"{len(wrong)} not so\n" + "\n".join(wrong[:SHOWN]))
    statuses = [one.status for _, _, one in found]
    measure("connections", len(found))
    measure("unavailable", statuses.count(UNAVAILABLE))
    measure("server_errors", sum(status >= SERVER_ERROR and status != UNAVAILABLE for status in statuses))
    measure("slowest_s", max(one.seconds for _, _, one in found))
