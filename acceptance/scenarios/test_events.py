"""Scenario 2: events take effect, each exactly once."""

import time
from collections import Counter
from decimal import Decimal
from uuid import uuid4

from acceptance.conftest import Bound, Measure
from acceptance.harness.api import Api
from acceptance.harness.catalogue import proves
from acceptance.harness.database import Database
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.waiting import Waiting

EVENTS = 100
KEYS = 5


@proves("scenario-2-events-take-effect-once")
def test_events_take_effect_exactly_once(
    agent: Api, database: Database, waiting: Waiting, bound: Bound, measure: Measure
) -> None:
    run = uuid4()
    keys = [f"acceptance-{run}-{number}" for number in range(KEYS)]
    published: dict[str, str] = {}
    for number in range(EVENTS):
        key = keys[number % KEYS]
        event = {"message": f"event {number}", "metadata": {"key": key, "amount": number}}
        published[agent.json("POST", "/publish", json=event)["id"]] = key
    last_published = time.monotonic()

    def applied() -> None:
        count = database.value("SELECT count(*) FROM effects WHERE key = ANY($1)", keys)
        if count < EVENTS:
            raise NotYetError(f"{count} of {EVENTS} events are applied")

    waiting.until(f"all {EVENTS} events to be applied", applied, bound("applied_s"))
    measure("applied_s", time.monotonic() - last_published)

    rows = database.rows("SELECT event_id, key FROM effects WHERE key = ANY($1)", keys)
    effects = Counter((row["event_id"], row["key"]) for row in rows)
    expect(effects == Counter(published.items()), "each event in effect exactly once", differences(effects, published))
    totals = {
        row["key"]: (row["count"], row["amount"])
        for row in database.rows("SELECT * FROM totals WHERE key = ANY($1)", keys)
    }
    wanted = {key: (EVENTS // KEYS, Decimal(sum(range(n, EVENTS, KEYS)))) for n, key in enumerate(keys)}
    expect(totals == wanted, f"totals {wanted}", totals)


def differences(effects: Counter[tuple[str, str]], published: dict[str, str]) -> str:
    """What is wrong with the effects, in counts."""
    lost = sum(effects[one] == 0 for one in published.items())
    repeated = sum(count > 1 for count in effects.values())
    invented = sum(published.get(event_id) != key for event_id, key in effects)
    return f"{lost} lost, {repeated} applied more than once, {invented} that nobody published so"
