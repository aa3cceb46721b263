"""Consuming: a backlog, applied by the agent and by consumers that do without Dapr.

In each round the backlog is written while the agent is away; each consumer applies it in a pod of its own, in a group
and a schema of its own, and then the agent does.
"""

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from acceptance.agent import contract
from acceptance.agent.topic import Record, Topic, cloud_event
from app.consume.effects import APPLY
from benchmarks.contestant import APPLY_ONE
from benchmarks.ledger import Ledger
from benchmarks.results import AGENT, Result, Section, lines, say, wrongs
from benchmarks.stage import SLOWEST_PER_S, Options, Stage, pod
from benchmarks.usage import Meter

KEYS = 64


@dataclass(frozen=True)
class Consumer:
    """A consumer without Dapr: its CPU limit, none when it has none, and whether it applies events in batches."""

    cpu: str
    is_batched: bool


CONSUMERS = {
    "a task per partition, no limit": Consumer("", is_batched=False),
    "the same, half a core": Consumer("500m", is_batched=False),
    "batches, half a core": Consumer("500m", is_batched=True),
}


def write(stage: Stage, run: str, events: int) -> dict[str, Any]:
    """Write a backlog; where it is, and where each partition began and ended."""
    topic = stage.topic(run)
    offsets = topic.offsets()
    topic.write([record(run, number) for number in range(events)])
    return {"topic": topic.name, "offsets": offsets, "ends": topic.offsets()}


def record(run: str, number: int) -> Record:
    """One event, as another producer would publish it."""
    key = f"benchmark-{run}-{number % KEYS}"
    return Record(cloud_event(f"{key}-{number}", key, amount=1), key.encode())


def one_round(stage: Stage, events: int) -> dict[str, Result]:
    """What each contestant did."""
    run = uuid4().hex[:8]
    ledger = Ledger(f"benchmark-{run}-", events=events)
    with stage.without_agent():
        place = write(stage, run, events)
        found = {name: applied_by(stage, one, ledger, place) for name, one in CONSUMERS.items()}
        meter = Meter(stage.system, [])
    stage.until_applied(ledger)
    per_s, wrong = ledger.result(stage.database)
    return {**found, AGENT: Result(events, per_s, meter.used(), wrong)}


def applied_by(stage: Stage, consumer: Consumer, backlog: Ledger, place: dict[str, Any]) -> Result:
    """What a consumer of our own did, in a pod, a group and a schema of its own."""
    run = uuid4().hex[:8]
    within_s = backlog.events / SLOWEST_PER_S
    with stage.schema() as schema, pod(stage.system, stage.journal, run, consumer.cpu) as made:
        wanted = {
            **place,
            "dsn": stage.system.postgres_client().dsn(),
            "group": f"benchmark-{run}",
            "schema": schema,
            "within_s": within_s,
            "is_batched": consumer.is_batched,
            "statement": APPLY if consumer.is_batched else APPLY_ONE,
        }
        Topic(made, contract.TOPIC, run).offsets()  # its start is no part of it
        meter = Meter(stage.system, [made.name])
        made.run("consumer", stdin=json.dumps(wanted), timeout_s=within_s + 30)
        per_s, wrong = replace(backlog, schema=schema).result(stage.database)
        return Result(backlog.events, per_s, meter.used(), wrong)


def compare(stage: Stage, options: Options) -> list[Section]:
    """One section."""
    found = defaultdict(list)
    for number in range(options.rounds):
        for name, result in one_round(stage, options.events).items():
            found[name].append(result)
            say(number, name, result)
    title = f"A backlog of {options.events:,} events, {options.rounds} rounds; the agent's figures include its start"
    return [Section("consume", title, lines(found, AGENT), wrongs(found))]
