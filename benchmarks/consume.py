"""`python -m benchmarks.consume`: a backlog, applied by the agent and by consumers that do without Dapr.

Runs on the cluster of `make up`. In each round a backlog is written while the agent is away; each consumer applies it
in a pod of its own, in a group and a schema of its own, and then the agent does. What counts is the median of rounds.
Ends with 1 unless each applied all of it once in every round: a fast run that loses an event is a failed run.
"""

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from acceptance.agent import contract
from acceptance.agent.database import Database
from acceptance.agent.record import Record, cloud_event
from acceptance.agent.topic import Topic
from app.effects import APPLY
from app.migration import MIGRATIONS
from benchmarks.contestant import SERVICES
from benchmarks.results import Result, lines, table, wrongs
from benchmarks.stage import SLOWEST_PER_S, Stage, opened, pod
from benchmarks.usage import Meter, Usage

APPLY_ONE = (SERVICES / "apply_one.sql").read_text()
AGENT = "agent (500m)"
KEYS = 64
# of the first transaction nobody knows when it began
APPLIED = """
WITH applied AS (SELECT event_id, applied_at FROM {schema}.effects WHERE key LIKE $1),
ends AS (SELECT min(applied_at) AS first, max(applied_at) AS last FROM applied)
SELECT count(*) AS events, count(DISTINCT event_id) AS different,
    (count(*) FILTER (WHERE applied_at > first) / nullif(extract(epoch FROM last - first), 0))::float8 AS per_s,
    (SELECT sum(count) FROM {schema}.totals WHERE key LIKE $1)::bigint AS counted
FROM applied, ends GROUP BY first, last
"""


@dataclass(frozen=True)
class Consumer:
    """A consumer without Dapr: its CPU limit, none when it has none, and whether it applies events in batches."""

    cpu: str
    is_batched: bool


CONSUMERS = {
    "a task per partition": Consumer("", is_batched=False),
    "a task per partition (500m)": Consumer("500m", is_batched=False),
    "batches (500m)": Consumer("500m", is_batched=True),
}


@dataclass(frozen=True)
class Backlog:
    """What one round has to apply, and where it is in the topic."""

    run: str
    events: int
    topic: Topic

    def write(self) -> dict[str, Any]:
        """Write it; where each partition began and ended."""
        offsets = self.topic.offsets()
        self.topic.write([self._record(number) for number in range(self.events)])
        return {"topic": self.topic.name, "offsets": offsets, "ends": self.topic.offsets()}

    def result(self, database: Database, schema: str, used: dict[str, Usage]) -> Result:
        """What was applied in a schema."""
        rows = database.rows(APPLIED.format(schema=schema), f"benchmark-{self.run}-%", timeout_s=30)
        seen = rows[0] if rows else {"events": 0, "different": 0, "counted": 0, "per_s": None}
        is_whole = seen["events"] == seen["different"] == seen["counted"] == self.events
        return Result(
            self.events, seen["per_s"] or 0, used, "" if is_whole else f"{self.events} events expected, seen {seen}"
        )

    def _record(self, number: int) -> Record:
        """One event, as another producer would publish it."""
        key = f"benchmark-{self.run}-{number % KEYS}"
        return Record(cloud_event(f"{key}-{number}", key, amount=1), key.encode())


def compare(stage: Stage, events: int) -> dict[str, Result]:
    """One round: what each contestant did."""
    run = uuid4().hex[:8]
    backlog = Backlog(run, events, stage.topic(run))
    with stage.without_agent():
        place = backlog.write()
        found = {name: applied_by(stage, one, backlog, place) for name, one in CONSUMERS.items()}
        meter = Meter(stage.system, [])
    stage.until_applied(f"benchmark-{run}-", events)
    return {**found, AGENT: backlog.result(stage.database, "public", meter.used())}


def applied_by(stage: Stage, consumer: Consumer, backlog: Backlog, place: dict[str, Any]) -> Result:
    """What a consumer of our own did, in a pod, a group and a schema of its own."""
    run = uuid4().hex[:8]
    schema, within_s = f"benchmark_{run}", backlog.events / SLOWEST_PER_S
    wanted = {
        **place,
        "dsn": stage.system.postgres_client().dsn(),
        "group": f"benchmark-{run}",
        "schema": schema,
        "within_s": within_s,
        "is_batched": consumer.is_batched,
        "statement": APPLY if consumer.is_batched else APPLY_ONE,
        "migrations": list(MIGRATIONS),
    }
    with pod(stage.system, stage.journal, run, consumer.cpu) as made:
        Topic(made, contract.TOPIC, run).offsets()  # its start is no part of it
        meter = Meter(stage.system, [made.name])
        made.run("consumer", stdin=json.dumps(wanted), timeout_s=within_s + 30)
        result = backlog.result(stage.database, schema, meter.used())
    stage.database.rows(f"DROP SCHEMA {schema} CASCADE")
    return result


def rounds(stage: Stage, count: int, events: int) -> dict[str, list[Result]]:
    """What each contestant did in every round."""
    found = defaultdict(list)
    for number in range(count):
        for name, result in compare(stage, events).items():
            found[name].append(result)
            print(f"round {number + 1}: {name:30}{result.per_s:8.0f} events/s  {result.wrong}", flush=True)
    return found


def main() -> int:
    """Print every round, then the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consume")
    parser.add_argument("--events", type=int, default=20_000, help="size of the backlog (default: 20000)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    options = parser.parse_args()
    with opened() as stage:
        found = rounds(stage, options.rounds, options.events)
    print(*table(lines(found, AGENT)), sep="\n")
    return 1 if wrongs(found) else 0


if __name__ == "__main__":
    sys.exit(main())
