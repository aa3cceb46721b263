"""Publishing and consuming at once, in one container: by the agent, and by services that people write without it.

In each round each contestant has a pod with the agent's limits, and what it publishes it applies: first some events a
second, to see how long they take from the request to their effect, then as many as its connections can. Of those counts
how many a second took effect, from the first to the last of all that it accepted.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

from acceptance.harness.errors import NotYetError
from benchmarks import contestant
from benchmarks.contestant import APPLY_ONE, NO_SIDECAR, Contestant
from benchmarks.ledger import Ledger
from benchmarks.publish import ANSWERING_S, SERVICE, Load, press, require_answers
from benchmarks.results import AGENT, Result, Section, lines, say, wrongs
from benchmarks.stage import Options, Stage
from benchmarks.usage import Meter

PACED, ALL = Load(60, 16, 100), Load(60, 16)
LOADS = (PACED, ALL)
TITLES = {
    PACED: f"From the request to the effect, {PACED.per_second} events a second",
    ALL: f"Publishing over {ALL.connections} connections and consuming at once; how long is what a publish took",
}


@dataclass(frozen=True)
class Entrant:
    """A contestant, and whether it has tables of its own."""

    contestant: Contestant
    has_schema: bool


CONTESTANTS = {
    AGENT: Entrant(Contestant(None), has_schema=False),
    "aiokafka and asyncpg": Entrant(Contestant(contestant.service("plain"), NO_SIDECAR), has_schema=True),
    "the playbook's": Entrant(Contestant(contestant.service("playbook")), has_schema=True),
}


def pressed(stage: Stage, one: Contestant, schema: str, seconds: int) -> Iterator[tuple[Load, Result]]:
    """What a contestant did with each load for so long, until all that it accepted took effect."""
    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], one) as pod:
        warming_up = Ledger(f"benchmark-{uuid4().hex[:8]}-", schema)

        def consuming() -> None:
            require_answers(stage, pod.host, warming_up, SERVICE)
            if not warming_up.counted(stage.database):
                raise NotYetError("nothing took effect yet")

        stage.system.waiting.until(f"{pod.name} to publish and consume", consuming, ANSWERING_S)
        stage.until_applied(warming_up)
        for load in LOADS:
            ledger = Ledger(f"benchmark-{uuid4().hex[:8]}-", schema)
            meter = Meter(stage.system, [pod.name])
            seen = press(stage, pod.host, ledger, SERVICE, replace(load, seconds=seconds))
            stage.until_applied(ledger)
            per_s, wrong = ledger.result(stage.database)
            ms = ledger.milliseconds(stage.database) if load.per_second else seen.ms
            yield load, Result(ledger.events, per_s, meter.used(), wrong or seen.wrong, ms)


def in_turn(stage: Stage, entrant: Entrant, seconds: int) -> list[tuple[Load, Result]]:
    """What a contestant did; nobody else ever sees its events."""
    if not entrant.has_schema:
        return [*pressed(stage, entrant.contestant, "public", seconds)]
    with stage.schema() as schema:
        told = {"SCHEMA": schema, "STATEMENT": APPLY_ONE}
        results = [*pressed(stage, replace(entrant.contestant, environment=told), schema, seconds)]
    stage.pass_over()
    return results


def compare(stage: Stage, options: Options) -> list[Section]:
    """A section for each load."""
    found: dict[Load, dict[str, list[Result]]] = {load: defaultdict(list) for load in LOADS}
    with stage.without_agent():
        for number in range(options.rounds):
            for name, entrant in CONTESTANTS.items():
                for load, result in in_turn(stage, entrant, options.seconds):
                    found[load][name].append(result)
                    say(number, f"{name}, {load.per_second or 'all it can'}", result)
    return [
        Section(
            f"both-{load.per_second}" if load.per_second else "both",
            f"{TITLES[load]}, {options.rounds} rounds of {options.seconds} s",
            lines(results, AGENT),
            wrongs(results),
            is_charted=not load.per_second,
        )
        for load, results in found.items()
    ]
