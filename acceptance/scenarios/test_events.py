"""Scenario 2: events take effect, each exactly once."""

from collections import Counter
from decimal import Decimal
from functools import partial
from uuid import uuid4

from acceptance.agent import contract
from acceptance.agent.database import Database
from acceptance.agent.record import Record
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.faults.restart import replaced
from acceptance.harness.plugin import Bound, Judge, Within
from acceptance.harness.probes.api import Api
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.numbers import most

EVENTS = 100
KEYS = 5


@proves("scenario-2-events-take-effect-once")
def test_events_take_effect_exactly_once(
    system: System,
    agent: Api,
    database: Database,
    topic: Topic,
    faults: Faults,
    bound: Bound,
    judge: Judge,
    within: Within,
) -> None:
    keys = [f"acceptance-{uuid4()}" for _ in range(KEYS)]
    offsets = topic.offsets()
    published = {publish(agent, keys[number % KEYS], number): keys[number % KEYS] for number in range(EVENTS)}

    def require_applied(number: int) -> None:
        count = database.value("SELECT count(*) FROM effects WHERE key = ANY($1)", keys)
        if count < number:
            raise NotYetError(f"{count} of {number} events are applied")

    within("applied_s", f"all {EVENTS} events to be applied", partial(require_applied, EVENTS))

    # Once more to somebody who cannot remember: nothing of it may take effect, and all behind it still has to.
    record = topic.find(next(iter(published)), offsets, bound("applied_s"))
    expect(record, f"the first event in {contract.TOPIC}", "no such record")
    assert record
    judge(most("restarted_s", replaced(faults, system.agent, within_s=bound("restarted_s"))))
    topic.write([Record(record["value"].encode(), record["key"].encode(), partition=record["partition"])])
    published[publish(agent, keys[0], EVENTS)] = keys[0]
    within("applied_s", "the event behind one that came again to be applied", partial(require_applied, EVENTS + 1))

    rows = database.rows("SELECT event_id, key FROM effects WHERE key = ANY($1)", keys)
    effects = Counter((row["event_id"], row["key"]) for row in rows)
    expect(effects == Counter(published.items()), "each event in effect exactly once", differences(effects, published))
    totals = {
        row["key"]: (row["count"], row["amount"])
        for row in database.rows("SELECT * FROM totals WHERE key = ANY($1)", keys)
    }
    amounts = {key: [*range(number, EVENTS, KEYS)] for number, key in enumerate(keys)}
    amounts[keys[0]].append(EVENTS)
    wanted = {key: (len(one), Decimal(sum(one))) for key, one in amounts.items()}
    expect(totals == wanted, f"totals {wanted}", totals)


def publish(agent: Api, key: str, amount: int) -> str:
    """Publish an event; its id."""
    event = {"message": f"event {amount}", "metadata": {"key": key, "amount": amount}}
    return str(agent.json("POST", "/publish", json=event)["id"])


def differences(effects: Counter[tuple[str, str]], published: dict[str, str]) -> str:
    """What is wrong with the effects, in counts."""
    lost = sum(effects[one] == 0 for one in published.items())
    repeated = sum(count > 1 for count in effects.values())
    invented = sum(published.get(event_id) != key for event_id, key in effects)
    return f"{lost} lost, {repeated} applied more than once, {invented} that nobody published so"
