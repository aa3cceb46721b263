"""`python -m benchmarks.consume`: a backlog, applied by the agent and by consumers that do without Dapr.

Runs on the cluster of `make up`. In each round a backlog is written while the agent is away; each consumer applies it
in a pod of its own, in a group and a schema of its own, and then the agent does. What counts is the median of rounds.
Ends with 1 unless each applied all of it once in every round: a fast run that loses an event is a failed run.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

from acceptance.agent import contract, names
from acceptance.agent.database import Database
from acceptance.agent.deployment import deployed
from acceptance.agent.options import AgentOptions
from acceptance.agent.record import Record, cloud_event
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import scaled
from acceptance.harness.probes.toolbox import LIMITS, Toolbox
from acceptance.harness.waiting import Waiting
from app.effects import APPLY
from app.migration import MIGRATIONS
from benchmarks.usage import Meter, Usage

OPTIONS = AgentOptions("auto", None, "never", names.load())
PROGRAM = Path(__file__).with_name("consumer.py")
APPLY_ONE = Path(__file__).with_name("apply_one.sql").read_text()
AGENT = "agent (500m)"
KEYS = 64
AWAY_S = 60
BACK_S = 120
SLOWEST_PER_S = 20
# of the first transaction nobody knows when it began
APPLIED = """
WITH applied AS (SELECT event_id, applied_at FROM {schema}.effects WHERE key LIKE $1),
ends AS (SELECT min(applied_at) AS first, max(applied_at) AS last FROM applied)
SELECT count(*) AS events, count(DISTINCT event_id) AS different,
    (count(*) FILTER (WHERE applied_at > first) / nullif(extract(epoch FROM last - first), 0))::float8 AS per_s,
    (SELECT sum(count) FROM {schema}.totals WHERE key LIKE $1)::bigint AS counted
FROM applied, ends GROUP BY first, last
"""

# of few rows: to count effects while they are made would take half a core from who makes them
COUNTED = "SELECT coalesce(sum(count), 0)::bigint AS events FROM totals WHERE key LIKE $1"


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
class Result:
    """What a contestant did in a round: events a second, CPU by container, and what is wrong with its tables."""

    per_s: float
    used: dict[str, Usage]
    wrong: str


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

    def counted(self, database: Database) -> int:
        """How many events the agent has applied, so far."""
        return int(database.rows(COUNTED, f"benchmark-{self.run}-%")[0]["events"])

    def result(self, database: Database, schema: str, used: dict[str, Usage]) -> Result:
        """What was applied in a schema."""
        rows = database.rows(APPLIED.format(schema=schema), f"benchmark-{self.run}-%", timeout_s=30)
        seen = rows[0] if rows else {"events": 0, "different": 0, "counted": 0, "per_s": None}
        is_whole = seen["events"] == seen["different"] == seen["counted"] == self.events
        return Result(seen["per_s"] or 0, used, "" if is_whole else f"{self.events} events expected, seen {seen}")

    def _record(self, number: int) -> Record:
        """One event, as another producer would publish it."""
        key = f"benchmark-{self.run}-{number % KEYS}"
        return Record(cloud_event(f"{key}-{number}", key, amount=1), key.encode())


@contextmanager
def pod(system: System, journal: Journal, run: str, cpu: str) -> Iterator[Toolbox]:
    """A pod beside the agent's, with this limit of CPU."""
    limits = {"memory": LIMITS["memory"]} | ({"cpu": cpu} if cpu else {})
    made = system.toolbox(f"benchmark-{run}", limits)
    with journal.promised("replace", namespace=system.namespace, name=made.name):
        made.start()
        made.keep("kafka.json", json.dumps(system.kafka_client().arguments()))
        made.keep("acceptance/in_cluster/consumer.py", PROGRAM.read_text())
        yield made


@dataclass(frozen=True)
class Benchmark:
    """What every round needs."""

    system: System
    journal: Journal
    database: Database
    toolbox: Toolbox

    def compare(self, events: int) -> dict[str, Result]:
        """One round: what each contestant did."""
        system, run = self.system, uuid4().hex[:8]
        backlog = Backlog(run, events, Topic(self.toolbox, contract.TOPIC, f"benchmark-{run}"))
        with scaled(system.cluster, self.journal, system.agent, 0, system.waiting, AWAY_S):
            place = backlog.write()
            found = {name: self._applied_by(one, backlog, place) for name, one in CONSUMERS.items()}
            meter = Meter(system, [])

        def applied() -> None:
            seen = backlog.counted(self.database)
            if seen < events:
                raise NotYetError(f"{events} events expected, seen {seen}")

        system.waiting.until("the agent to apply the backlog", applied, BACK_S + events / SLOWEST_PER_S, 1)
        return {**found, AGENT: backlog.result(self.database, "public", meter.used())}

    def _applied_by(self, consumer: Consumer, backlog: Backlog, place: dict[str, Any]) -> Result:
        run = uuid4().hex[:8]
        schema, within_s = f"benchmark_{run}", backlog.events / SLOWEST_PER_S
        wanted = {
            **place,
            "dsn": self.system.postgres_client().dsn(),
            "group": f"benchmark-{run}",
            "schema": schema,
            "within_s": within_s,
            "is_batched": consumer.is_batched,
            "statement": APPLY if consumer.is_batched else APPLY_ONE,
            "migrations": list(MIGRATIONS),
        }
        with pod(self.system, self.journal, run, consumer.cpu) as made:
            Topic(made, contract.TOPIC, run).offsets()  # its start is no part of it
            meter = Meter(self.system, [made.name])
            made.run("consumer", stdin=json.dumps(wanted), timeout_s=within_s + 30)
            result = backlog.result(self.database, schema, meter.used())
        self.database.rows(f"DROP SCHEMA {schema} CASCADE")
        return result


def rounds(count: int, events: int) -> dict[str, list[Result]]:
    """What each contestant did in every round."""
    run, waiting, found = uuid4().hex[:8], Waiting(), defaultdict(list)
    with (
        deployed(OPTIONS, None, f"benchmark {run}", waiting, lambda: False) as environment,
        pod(system := System(environment.cluster, waiting, OPTIONS.names), environment.journal, run, "1") as toolbox,
        closing(Database(partial(toolbox.stream, "sql"), system.postgres_client)) as database,
    ):
        benchmark = Benchmark(system, environment.journal, database, toolbox)
        for number in range(count):
            for name, result in benchmark.compare(events).items():
                found[name].append(result)
                print(f"round {number + 1}: {name:30}{result.per_s:8.0f} events/s  {result.wrong}", flush=True)
    return found


def table(found: dict[str, list[Result]], events: int) -> Iterator[str]:
    """The medians: events a second with their spread, beside the agent's, and microseconds of CPU an event."""
    agents = median(one.per_s for one in found[AGENT])
    for name, results in found.items():
        speeds = [one.per_s for one in results]
        used = {
            container: median(one.used[container].microseconds for one in results if container in one.used) / events
            for container in results[0].used
        }
        held = max((one.throttled for result in results for one in result.used.values()), default=0.0)
        costs = ", ".join(f"{container} {cost:.0f}" for container, cost in used.items())
        middle = median(speeds)
        speed = f"{middle:8.0f}/s ({min(speeds):.0f} to {max(speeds):.0f}), the agent's x {agents / middle:.2f}"
        yield f"{name:30}{speed}; us an event: {costs}; throttled at most {held:.0%}"


def main() -> int:
    """Print every round, then the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.consume")
    parser.add_argument("--events", type=int, default=20_000, help="size of the backlog (default: 20000)")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    options = parser.parse_args()
    found = rounds(options.rounds, options.events)
    print("\n".join(table(found, options.events)))
    return 1 if any(one.wrong for results in found.values() for one in results) else 0


if __name__ == "__main__":
    sys.exit(main())
