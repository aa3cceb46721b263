"""The outbox: how many events a second it takes and Kafka has, and how soon what waited in it is gone.

In the first half the agent only publishes. In the second so many events wait as an outage of Kafka leaves; from when
the agent is there, counts until Kafka has the last, and until that is in effect. Meanwhile clients publish.
"""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import uuid4

from acceptance.harness.errors import NotYetError
from benchmarks import contestant
from benchmarks.contestant import Contestant
from benchmarks.ledger import Ledger
from benchmarks.publish import ANSWERING_S, CONTESTANTS, PRESS_S, SERVICE, Load, press, require_answers
from benchmarks.results import AGENT, Result, Section, lines, say, wrongs
from benchmarks.stage import Options, Stage
from benchmarks.usage import Meter

QUEUE = SERVICE | {"headers": {"Content-Type": "application/json", "Prefer": "respond-async"}}
LOADS = (Load(PRESS_S, 16), Load(PRESS_S, 64))
LIVE = Load(20, 8, 50)
KEYS, SENDING_S, SLOWEST_PER_S = 1000, 60, 200
TO_KAFKA = "its relay, until Kafka has it"
FILL = """
INSERT INTO outbox (id, key, data, digest, bytes)
SELECT $1 || number, $1 || number % $3::integer, data, '', octet_length(data::text)
FROM generate_series(1, $2::integer) AS number, LATERAL (SELECT json_build_object(
    'message', repeat('x', 500), 'metadata', json_build_object('key', $1 || number % $3::integer, 'amount', 1)
) AS data) AS made
"""
LEFT = """
SELECT count(*) AS kept, count(*) FILTER (WHERE published_at IS NULL) AS waiting,
    (count(*) / extract(epoch FROM max(published_at) - min(created_at)))::float8 AS per_s
FROM outbox WHERE key LIKE $1
"""


def sent(stage: Stage, ledger: Ledger) -> dict[str, Any]:
    """What of a ledger's events Kafka has; NotYetError when some still wait."""
    (row,) = stage.database.rows(LEFT, f"{ledger.prefix}%", timeout_s=30)
    if row["waiting"]:
        raise NotYetError(f"{row['waiting']} of {row['kept']} wait")
    return row


def accepted(stage: Stage, ledger: Ledger, load: Load) -> Result:
    """What was accepted and Kafka then had, from the first to the last; it takes effect when the agent is back."""
    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], CONTESTANTS[AGENT].contestant) as pod:
        answering = partial(require_answers, stage, pod.host, ledger, QUEUE)
        stage.system.waiting.until(f"{pod.name} to take events", answering, ANSWERING_S)
        pressed = Ledger(f"{ledger.prefix}{uuid4().hex[:8]}-")
        meter = Meter(stage.system, [pod.name])
        seen = press(stage, pod.host, pressed, QUEUE, load)
        row = stage.system.waiting.until("Kafka to have all", partial(sent, stage, pressed), SENDING_S)
        used = meter.used()
    ledger.events += pressed.events
    lost = f"{pressed.events} accepted, {row['kept']} queued" if row["kept"] != pressed.events else ""
    return replace(seen, per_s=row["per_s"] or 0.0, used=used, wrong=seen.wrong or lost)


def drained(stage: Stage, events: int) -> dict[str, Result]:
    """What became of events that waited, to Kafka and in effect; `ms` is what clients' publishes took meanwhile."""
    ledger, live = (Ledger(f"benchmark-{uuid4().hex[:8]}-") for _ in range(2))
    stage.database.rows(FILL, ledger.prefix, events, KEYS, timeout_s=60)
    ledger.events = events
    took: dict[str, float] = {}

    def gone(name: str, column: str, since: float) -> None:
        (row,) = stage.database.rows(LEFT, f"{ledger.prefix}%")
        if row[column]:
            raise NotYetError(f"{row[column]} of {events} are left")
        took[name] = time.monotonic() - since

    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], Contestant(None)) as pod:
        since, meter = time.monotonic(), Meter(stage.system, [pod.name])
        within_s = SENDING_S + events / SLOWEST_PER_S
        with ThreadPoolExecutor(1) as beside:
            publishing = beside.submit(press, stage, pod.host, live, SERVICE, LIVE)
            for name, column in ((TO_KAFKA, "waiting"), (AGENT, "kept")):
                done = partial(gone, name, column, since)
                stage.system.waiting.until(f"{name}: none left", done, within_s, interval_s=1)
            seen = publishing.result()
        stage.until_applied(live)
        used = meter.used()
    _, wrong = ledger.result(stage.database)
    return {
        AGENT: Result(events, events / took[AGENT], used, wrong or seen.wrong, seen.ms),
        TO_KAFKA: Result(events, events / took[TO_KAFKA], {}, "", seen.ms),
    }


def compare(stage: Stage, options: Options) -> list[Section]:
    """A section for each load, and one for what had waited."""
    found: dict[Load, dict[str, list[Result]]] = {load: defaultdict(list) for load in LOADS}
    waited: dict[str, list[Result]] = defaultdict(list)
    ledger = Ledger(f"benchmark-{uuid4().hex[:8]}-")
    with stage.without_agent():
        for number in range(options.rounds):
            for load in LOADS:
                result = accepted(stage, ledger, load)
                found[load][AGENT].append(result)
                say(number, f"queued over {load.connections} connections", result)
            for name, result in drained(stage, options.events).items():
                waited[name].append(result)
                say(number, f"{options.events:,} that waited: {name}", result)
    stage.until_applied(ledger)
    _, wrong = ledger.result(stage.database)
    sections = [
        Section(
            f"outbox-{load.connections}",
            f"Queueing in the outbox over {load.connections} connections until Kafka has all, {options.rounds} rounds "
            f"of {load.seconds} s; how long is what a request took",
            lines(results, AGENT),
            wrongs(results) + [wrong] * bool(wrong),
            is_charted=False,
        )
        for load, results in found.items()
    ]
    title = (
        f"{options.events:,} events that waited in the outbox, {options.rounds} rounds; "
        f"how long is what {LIVE.per_second} publishes a second took meanwhile"
    )
    return [*sections, Section("outbox-waited", title, lines(waited, AGENT), wrongs(waited), is_charted=False)]
