"""Publishing and consuming at once, in one container: by the agent, and by services that people write without it.

In each round each contestant has a pod with the agent's limits. Its connections are kept busy, and what it publishes it
applies; what counts is how many events a second took effect, from the first to the last of all that it accepted.
"""

from collections import defaultdict
from dataclasses import dataclass, replace
from uuid import uuid4

from acceptance.harness.errors import NotYetError
from benchmarks import contestant
from benchmarks.contestant import APPLY_ONE, NO_SIDECAR, Contestant
from benchmarks.ledger import Ledger
from benchmarks.publish import ANSWERING_S, SERVICE, WARM_UP_S, press
from benchmarks.results import Result, Section, lines, say, wrongs
from benchmarks.stage import Options, Stage
from benchmarks.usage import Meter

CONNECTIONS = 16
AGENT = "agent"


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


def pressed(stage: Stage, one: Contestant, schema: str, seconds: int) -> Result:
    """What a contestant did for so long, until all that it accepted took effect."""
    ledger = Ledger(f"benchmark-{uuid4().hex[:8]}-", schema)
    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], one) as pod:

        def consuming() -> None:
            seen = press(stage, pod.host, ledger, SERVICE, connections=1, seconds=WARM_UP_S)
            if not seen["accepted"] or seen["refused"] or not ledger.counted(stage.database):
                raise NotYetError(f"it answers {seen}, and nothing took effect yet")

        stage.system.waiting.until(f"{pod.name} to publish and consume", consuming, ANSWERING_S)
        stage.until_applied(ledger)
        measured = replace(ledger, prefix=f"benchmark-{uuid4().hex[:8]}-", events=0)
        meter = Meter(stage.system, [pod.name])
        seen = press(stage, pod.host, measured, SERVICE, connections=CONNECTIONS, seconds=seconds)
        stage.until_applied(measured)
        per_s, wrong = measured.result(stage.database)
        ms = {name: seen[f"{name}_ms"] for name in ("p50", "p90", "p99")}
        refused = f"refused: {seen['refused']}" if seen["refused"] else ""
        return Result(measured.events, per_s, meter.used(), wrong or refused, ms)


def in_turn(stage: Stage, entrant: Entrant, seconds: int) -> Result:
    """What a contestant did; nobody else ever sees its events."""
    if not entrant.has_schema:
        return pressed(stage, entrant.contestant, "public", seconds)
    with stage.schema() as schema:
        told = {"SCHEMA": schema, "STATEMENT": APPLY_ONE}
        result = pressed(stage, replace(entrant.contestant, environment=told), schema, seconds)
    stage.pass_over()
    return result


def compare(stage: Stage, options: Options) -> list[Section]:
    """One section."""
    found = defaultdict(list)
    with stage.without_agent():
        for number in range(options.rounds):
            for name, entrant in CONTESTANTS.items():
                found[name].append(in_turn(stage, entrant, options.seconds))
                say(number, name, found[name][-1])
    title = (
        f"Publishing over {CONNECTIONS} connections and consuming at once, {options.rounds} rounds of "
        f"{options.seconds} s; how long is what a publish took"
    )
    return [Section("both", title, lines(found, AGENT), wrongs(found))]
