"""Events that are queued in PostgreSQL while Kafka is away."""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from uuid import uuid4

import pytest
from httpx import Response

from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.system import System
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import scaled
from acceptance.harness.probes.api import Api, shorten
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import balanced, count, slowest, took
from acceptance.harness.watching.ledger import ACKNOWLEDGED, Write
from acceptance.harness.watching.load import Load, writes
from acceptance.harness.watching.observers import sampling
from acceptance.harness.watching.timeline import Timeline

PER_SECOND = 50
SHARED_PER_SECOND = 75
REPLICAS = 3
SHARED_S = 10
TURNS = """
SELECT host(client_addr) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND granted
"""
WARM_S = 3
NOTICED_S = 5
BACK_S = 60
QUEUED = {"Prefer": "respond-async"}
NOBODYS = "nobody's"
EVENT = {"message": "to be delivered later", "metadata": {}}


@pytest.mark.usefixtures("serve_degraded")
@proves("scenario-16-outbox", "endurance-outbox")
def test_events_wait_in_the_outbox_while_kafka_is_away(
    system: System,
    entry: Entry,
    agent: Api,
    database: Database,
    faults: Faults,
    watched: Timeline,
    load: Load,
    effects: Effects,
    judge: Judge,
) -> None:
    event_id = uuid4().hex
    with ExitStack() as sending:
        sending.enter_context(load.sending(writes(system.publish_url(), PER_SECOND, effects.key, headers=QUEUED)))
        system.waiting.through(WARM_S, "the load to go on")
        with faults.killed(system.kafka, watched, entry.lasts_s) as fault:
            system.until_red(watched, fault.at, NOTICED_S)
            queue_one(system, agent, event_id)
        sending.close()  # how many wait must not hang on how long this machine takes to start a broker
    back = system.until_answering(watched, "kafka", fault.undone, BACK_S)
    ledger = load.ledger()
    drained = drain(system, database, effects, ledger, judge)
    until_status(system, agent, event_id, "applied")
    judge(count("refused", [one.id for one in ledger.values() if one.answers != ("202",)]))
    judge(took("away_s", fault.at, back), took("drained_s", back, drained))


@proves("endurance-outbox-shared")
def test_replicas_share_the_outbox(
    system: System, database: Database, faults: Faults, timeline: Timeline, load: Load, effects: Effects, judge: Judge
) -> None:
    faults.require_steady()
    more = scaled(system.cluster, faults.journal, system.agent, REPLICAS, system.waiting, BACK_S)
    with more, ExitStack() as sending:
        url = system.publish_url()
        sending.enter_context(load.sending(writes(url, SHARED_PER_SECOND, effects.key, headers=QUEUED)))
        turn = sampling(timeline, "turn", lambda: str(database.value(TURNS) or NOBODYS), interval_s=0.2)
        sending.enter_context(turn)
        system.waiting.through(SHARED_S, "the replicas to take turns")
        with faults.killed_in_place(system.agent, timeline):
            system.waiting.through(SHARED_S, "the load to go on")
        sending.close()
        ledger, ended = load.ledger(), time.monotonic()
        drained = drain(system, database, effects, ledger, judge)

    relays = {one.state for one in timeline.of("turn")} - {NOBODYS}
    expect(len(relays) > 1, "more than one replica to relay", ", ".join(relays) or "none seen")
    judge(count("refused", [one.id for one in ledger.values() if one.outcome != ACKNOWLEDGED]))
    judge(count("relays", relays), took("drained_s", ended, drained))


@proves("endurance-outbox-postgres-killed")
def test_an_event_that_cannot_be_queued_is_refused_and_may_be_sent_again(
    system: System, entry: Entry, agent: Api, database: Database, faults: Faults, watched: Timeline, judge: Judge
) -> None:
    event_id = uuid4().hex
    with faults.killed(system.postgres, watched, entry.lasts_s) as fault:
        system.until_red(watched, fault.at, NOTICED_S)
        refused = publish(agent, event_id)
    system.until_green(watched, fault.undone, BACK_S)
    again = publish(agent, event_id)
    expect(again.status_code == 202, "202 for the same event sent again", shorten(again))
    judge.within("applied_s", "it to be applied", partial(require_status, agent, event_id, "applied"))

    problem = refused.json()
    named = refused.status_code == 503 and "database" in problem["detail"] and problem.get("id") == event_id
    expect(named, f"503 that names the database and the event {event_id}", shorten(refused))
    effects = database.rows("SELECT event_id FROM effects WHERE event_id = $1", event_id)
    judge(slowest("answer_s", [refused]), count("applied_twice", effects, allowed=1))


def drain(system: System, database: Database, effects: Effects, ledger: Mapping[str, Write], judge: Judge) -> float:
    """When every write of a ledger that was accepted is in effect, and the outbox empty. Raises UnmetError."""
    balance = effects.settle(ledger, judge.bound("drained_s"))
    system.waiting.until("the outbox to be empty", partial(require_empty, database), judge.bound("drained_s"))
    judge(balanced(balance))
    return time.monotonic()


def queue_one(system: System, agent: Api, event_id: str) -> None:
    """Publish an event that is queued. Raises UnmetError unless the answer says so, and where its status is."""
    accepted = publish(agent, event_id)
    expect(accepted.status_code == 202, "202 for an event that can be queued", shorten(accepted))
    told = {name: accepted.headers.get(name) for name in ("Location", "Preference-Applied")}
    wanted = {"Location": f"/events/{event_id}", "Preference-Applied": "respond-async"}
    expect(told == wanted, f"headers {wanted} of a 202", told)
    until_status(system, agent, event_id, "queued")


def until_status(system: System, agent: Api, event_id: str, status: str) -> None:
    """Wait until `GET /events/{id}` shows a status. Raises UnmetError."""
    shown = partial(require_status, agent, event_id, status)
    system.waiting.until(f"{event_id} to be {status}", shown, NOTICED_S)


def publish(agent: Api, event_id: str) -> Response:
    """The answer to an event that is to be queued under an id."""
    return agent.call("POST", "/publish", json=EVENT, headers={**QUEUED, "Idempotency-Key": event_id})


def require_status(agent: Api, event_id: str, status: str) -> None:
    """Raise NotYetError unless `GET /events/{id}` shows a status."""
    answer = agent.call("GET", f"/events/{event_id}")
    if answer.status_code != 200 or answer.json()["status"] != status:
        raise NotYetError(f"/events/{event_id} is not {status}: {shorten(answer)}")


def require_empty(database: Database) -> None:
    """Raise NotYetError while events wait in the outbox."""
    if left := database.value("SELECT count(*) FROM outbox"):
        raise NotYetError(f"{left} events are in the outbox")
