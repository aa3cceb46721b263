"""Where contestants meet: the cluster of `make up`, and what each of them is measured with."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from uuid import uuid4

from acceptance.agent import contract, names
from acceptance.agent.database import Database
from acceptance.agent.deployment import deployed
from acceptance.agent.options import AgentOptions
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import KubectlError, NotYetError
from acceptance.harness.faults.journal import Journal
from acceptance.harness.faults.restart import scaled
from acceptance.harness.probes.toolbox import LIMITS, Toolbox
from acceptance.harness.waiting import Waiting
from app.database.migration import MIGRATIONS
from benchmarks.ledger import Ledger

PROGRAMS = Path(__file__).with_name("in_cluster")
OPTIONS = AgentOptions("auto", None, "never", names.load())
AWAY_S, BACK_S = 60, 120
SLOWEST_PER_S = 20


@dataclass(frozen=True)
class Options:
    """How much is done: rounds, events of a backlog, and seconds of publishing and consuming at once."""

    rounds: int
    events: int
    seconds: int


@dataclass(frozen=True)
class Stage:
    """What every round needs."""

    system: System
    journal: Journal
    database: Database
    toolbox: Toolbox

    def topic(self, run: str) -> Topic:
        """The topic of the agent, in a group of the run's own."""
        return Topic(self.toolbox, contract.TOPIC, f"benchmark-{run}")

    @contextmanager
    def without_agent(self) -> Iterator[None]:
        """No pod of the agent; it comes back in any case."""
        with scaled(self.system.cluster, self.journal, self.system.agent, 0, self.system.waiting, AWAY_S):
            yield

    @contextmanager
    def schema(self) -> Iterator[str]:
        """A schema with the agent's tables, dropped at the end."""
        name = f"benchmark_{uuid4().hex[:8]}"
        wanted = {"dsn": self.system.postgres_client().dsn(), "schema": name, "migrations": list(MIGRATIONS)}
        self.toolbox.run("tables", stdin=json.dumps(wanted))
        yield name
        self.database.rows(f"DROP SCHEMA {name} CASCADE")

    def pass_over(self) -> None:
        """Have the agent, while it is away, never see what is in its topic."""
        group = self.system.component(contract.PUBSUB)["consumerGroup"]
        wanted = json.dumps({"topic": contract.TOPIC, "group": group})

        def passed() -> None:
            try:
                self.toolbox.run("passed", stdin=wanted)
            except KubectlError as error:
                raise NotYetError(str(error)) from error

        # a member that ended without a word stays in the group for its session's time, and no commit is taken meanwhile
        self.system.waiting.until("the agent's group to be past its topic", passed, AWAY_S, interval_s=2)

    def until_applied(self, ledger: Ledger) -> None:
        """Wait until all that is to take effect has."""

        def applied() -> None:
            if (seen := ledger.counted(self.database)) < ledger.events:
                raise NotYetError(f"{ledger.events} events expected, seen {seen}")

        within_s = BACK_S + ledger.events / SLOWEST_PER_S
        self.system.waiting.until("the events to take effect", applied, within_s, interval_s=1)


@contextmanager
def opened() -> Iterator[Stage]:
    """The stage, with a pod of its own that is removed at the end."""
    run, waiting = uuid4().hex[:8], Waiting()
    with (
        deployed(OPTIONS, None, f"benchmark {run}", waiting, lambda: False) as environment,
        pod(system := System(environment.cluster, waiting, OPTIONS.names), environment.journal, run, "1") as toolbox,
        closing(Database(partial(toolbox.stream, "sql"), system.postgres_client)) as database,
    ):
        yield Stage(system, environment.journal, database, toolbox)


@contextmanager
def pod(system: System, journal: Journal, run: str, cpu: str) -> Iterator[Toolbox]:
    """The pod, with this limit of CPU, none when it is empty."""
    limits = {"memory": LIMITS["memory"]} | ({"cpu": cpu} if cpu else {})
    made = system.toolbox(f"benchmark-{run}", limits)
    with journal.promised("replace", namespace=system.namespace, name=made.name):
        made.start()
        made.keep("kafka.json", json.dumps(system.kafka_client().arguments()))
        for program in PROGRAMS.glob("*.py"):
            made.keep(f"acceptance/in_cluster/{program.name}", program.read_text())
        yield made
