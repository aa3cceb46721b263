"""Records that no consumer can take, good events behind each of them, and how they come back."""

from dataclasses import replace
from functools import partial
from uuid import uuid4

from acceptance.agent.database import Database
from acceptance.agent.effects import DeadLetter, in_table, in_topic
from acceptance.agent.inputs.records import Poison, poisons
from acceptance.agent.schema import Schema
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic, cloud_event
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import replaced
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import most

PARTITION = 0
RESTARTED_S = 60
PUBLISH_LIMIT = 256 * 1024
EFFECTS = "SELECT count(*) FROM effects WHERE event_id = $1"
DELIVERIES = "SELECT coalesce(max(deliveries), 0) FROM processed_events WHERE id = $1"


@proves("scenario-17-poison")
def test_poison_moves_aside_and_the_good_events_behind_it_are_applied(
    system: System, agent: Api, database: Database, schema: Schema, topic: Topic, dead_letters: Topic, judge: Judge
) -> None:
    system.until_steady(agent)
    restarts, ends = system.restarts(), dead_letters.offsets()
    key, raising = f"acceptance-{uuid4()}", uuid4().hex
    with schema.refusing(raising):
        for poison in poisons(key, raising):
            good = uuid4().hex
            records = (poison.record, Record(cloud_event(good, key)))
            (place, _) = topic.write([replace(one, partition=PARTITION) for one in records])
            applied, event_id = partial(require_delivered, database, good, 1), poison.id_at(*place)
            judge.within("good_applied_s", f"the good event behind {poison.name} to be applied", applied, 0.05)
            if poison.reason:
                recorded = partial(in_table, database, event_id)
                require_told(poison, judge.within("recorded_s", f"{poison.name} to be recorded", recorded))
                require_told(poison, in_topic(dead_letters, event_id, ends, judge.bound("recorded_s")))
            effects = database.value(EFFECTS, event_id)
            expect(effects == (not poison.reason), f"{poison.name} in effect only if it can be", f"{effects} effects")

    expect(system.restarts() == restarts, f"every container as it was: {restarts}", system.restarts())
    agent.json("POST", "/publish", status=413, json={"message": "x" * PUBLISH_LIMIT})


@proves("scenario-18-replay")
def test_a_dead_letter_that_is_replayed_takes_effect_once(
    system: System, database: Database, schema: Schema, topic: Topic, faults: Faults, judge: Judge
) -> None:
    faults.require_steady()
    event_id, key = uuid4().hex, f"acceptance-{uuid4()}"
    with schema.refusing(event_id):
        topic.write([Record(cloud_event(event_id, key), key.encode())])
        judge.within("recorded_s", "it to be recorded", partial(in_table, database, event_id))
    listed = system.command("dead-letters")
    expect(event_id in listed, f"`python -m app dead-letters` to list {event_id}", listed[-600:])

    def replay(times: int) -> None:
        system.command("replay", event_id)
        delivered = partial(require_delivered, database, event_id, times)
        judge.within("applied_s", f"replay {times} to be delivered", delivered)

    replay(1)
    # Nothing that a process remembers may be what keeps it from being applied again.
    replaced(faults, system.agent, within_s=RESTARTED_S)
    replay(2)
    judge(most("applied_twice", database.value(EFFECTS, event_id) - 1))


def require_told(poison: Poison, seen: DeadLetter) -> None:
    """Raise UnmetError unless a dead letter says why, after how many attempts, and keeps the record as it was."""
    told = poison.reason in seen.reason and seen.attempts == poison.attempts
    wanted = f"{poison.name} with a reason that says {poison.reason!r}, after {poison.attempts} attempts"
    expect(told, wanted, f"{seen.reason!r} after {seen.attempts}")
    same = seen.original == poison.record.value
    expect(same, f"{poison.name} kept as it was", f"{len(seen.original)} bytes: {seen.original[:80]!r}")


def require_delivered(database: Database, event_id: str, times: int) -> None:
    """Raise NotYetError unless an event was applied and came so often."""
    if (seen := database.value(DELIVERIES, event_id)) < times:
        raise NotYetError(f"{seen} of {times} deliveries of {event_id} were applied or absorbed")
