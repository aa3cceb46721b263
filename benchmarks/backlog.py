"""`python -m benchmarks.backlog`: one backlog, applied by the agent and by a plain aiokafka + asyncpg consumer.

Runs on the cluster of `make up`. While the agent is away a backlog is written; a plain consumer, in a pod of its own,
applies it first, in a group and a schema of its own, then the agent does. Ends with 1 unless both applied all of it,
once.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from acceptance.agent import contract, names
from acceptance.agent.database import Database, Row
from acceptance.agent.deployment import deployed
from acceptance.agent.options import AgentOptions
from acceptance.agent.record import Record, cloud_event
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import scaled
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.waiting import Waiting
from app.effects import APPLY
from app.migration import MIGRATIONS

OPTIONS = AgentOptions("auto", None, "never", names.load())
PROGRAM = Path(__file__).with_name("plain_consumer.py")
KEYS = 64
AWAY_S = 60
BACK_S = 120
SLOWEST_PER_S = 20
APPLIED = """
SELECT count(*) AS events, count(DISTINCT event_id) AS different,
    extract(epoch FROM max(applied_at) - min(applied_at))::float8 AS seconds
FROM {schema}.effects WHERE key LIKE $1
"""


@dataclass(frozen=True)
class Benchmark:
    """One run: what it reaches, and how large it is."""

    system: System
    pod: Toolbox
    journal: Journal
    run: str
    events: int

    def plain(self) -> None:
        """Write the backlog, then apply it with the plain consumer, while the agent is away."""
        group = f"benchmark-{self.run}"
        within_s = self.events / SLOWEST_PER_S
        system = self.system
        with scaled(system.cluster, self.journal, system.agent, 0, system.waiting, AWAY_S):
            topic = Topic(self.pod, contract.TOPIC, group)
            wanted = {
                "dsn": system.postgres_client().dsn(),
                "topic": topic.name,
                "offsets": topic.offsets(),
                "group": group,
                "schema": self.schema,
                "events": self.events,
                "within_s": within_s,
                "apply": APPLY,
                "migrations": list(MIGRATIONS),
            }
            topic.write([self.record(number) for number in range(self.events)])
            self.pod.keep("acceptance/in_cluster/plain_consumer.py", PROGRAM.read_text())
            self.pod.run("plain_consumer", stdin=json.dumps(wanted), timeout_s=within_s + 30)

    def record(self, number: int) -> Record:
        """One event of the backlog, as another producer would publish it."""
        key = f"benchmark-{self.run}-{number % KEYS}"
        return Record(cloud_event(f"{key}-{number}", key, amount=1), key.encode())

    def agents(self, database: Database) -> None:
        """Wait until the agent, which is back, has applied the backlog too."""

        def applied() -> None:
            seen = self.applied(database, "public")["events"]
            if seen < self.events:
                raise NotYetError(f"{seen} of {self.events} events are applied")

        self.system.waiting.until("the agent to apply the backlog", applied, BACK_S + self.events / SLOWEST_PER_S, 1)

    def applied(self, database: Database, schema: str) -> Row:
        """What was applied in a schema: events, different ones, and the seconds from the first to the last."""
        return database.rows(APPLIED.format(schema=schema), f"benchmark-{self.run}-%")[0]

    @property
    def schema(self) -> str:
        """The schema of the plain consumer's tables."""
        return f"benchmark_{self.run}"


@contextmanager
def started(system: System, journal: Journal, run: str) -> Iterator[Toolbox]:
    """A pod beside the agent's."""
    pod = system.toolbox(f"benchmark-{run}")
    with journal.promised("replace", namespace=system.namespace, name=pod.name):
        pod.start()
        pod.keep("kafka.json", json.dumps(system.kafka_client().arguments()))
        yield pod


def compare(events: int) -> int:
    """Run both and print events a second of each; 1 unless both applied all events once."""
    run, waiting = uuid4().hex[:8], Waiting()
    with (
        deployed(OPTIONS, None, f"benchmark {run}", waiting, lambda: False) as environment,
        started(system := System(environment.cluster, waiting, OPTIONS.names), environment.journal, run) as pod,
        closing(Database(partial(pod.stream, "sql"), system.postgres_client)) as database,
    ):
        benchmark = Benchmark(system, pod, environment.journal, run, events)
        benchmark.plain()
        benchmark.agents(database)
        found = {
            "agent": benchmark.applied(database, "public"),
            "plain aiokafka + asyncpg": benchmark.applied(database, benchmark.schema),
        }
        database.rows(f"DROP SCHEMA {benchmark.schema} CASCADE")
    for name, seen in found.items():
        rate = seen["events"] / seen["seconds"]
        print(f"{name:26}{seen['events']:>8} events in {seen['seconds']:7.1f} s: {rate:7.0f} events/s")
    wrong = {name: dict(seen) for name, seen in found.items() if not seen["events"] == seen["different"] == events}
    if wrong:
        print(f"expected {events} different events applied once by each, seen {wrong}")
    return 1 if wrong else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backlog")
    parser.add_argument("--events", type=int, default=20_000, help="size of the backlog (default: 20000)")
    sys.exit(compare(parser.parse_args().events))
