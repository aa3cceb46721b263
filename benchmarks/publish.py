"""Publishing: by the agent, and by services that people write without it, one event a request.

In each round each contestant has a pod with the agent's limits, and its connections are kept busy for some seconds;
none of them consumes meanwhile. Afterwards the agent applies all that was accepted.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any
from uuid import uuid4

from acceptance.agent.topic import cloud_event
from acceptance.harness.errors import NotYetError
from app.sidecar.api import BINARY, PUBSUB, TOPIC
from benchmarks import contestant
from benchmarks.contestant import NO_SIDECAR, NOT_DELIVERING, NOTHING, Contestant
from benchmarks.ledger import Ledger
from benchmarks.results import AGENT, Result, Section, lines, say, wrongs
from benchmarks.stage import Options, Stage
from benchmarks.usage import Meter

WARM_UP_S, PRESS_S, ANSWERING_S = 1, 4, 30
DATA = {"message": "x" * 500, "metadata": {"key": "KEY", "amount": 1, "sent": "SENT"}}
SERVICE = {"port": 8000, "path": "/publish", "body": json.dumps(DATA), "headers": {"Content-Type": "application/json"}}
RECORD = {
    "port": 3500,
    "path": f"/v1.0/publish/{PUBSUB}/{TOPIC}?metadata.rawPayload=true&metadata.partitionKey=KEY",
    "body": cloud_event("ID", "KEY", data=DATA).decode(),
    "headers": {"Content-Type": BINARY},
}
# it is asked from another pod, as the services are
LISTENING = NOT_DELIVERING | {"dapr.io/sidecar-listen-addresses": "0.0.0.0"}  # noqa: S104 - a pod's


@dataclass(frozen=True)
class Load:
    """For how many seconds, over how many connections, and how many requests a second: without that, all they can."""

    seconds: int
    connections: int
    per_second: int = 0


LOADS = (Load(PRESS_S, 16), Load(PRESS_S, 64), Load(PRESS_S, 16, 300))


@dataclass(frozen=True)
class Published:
    """A contestant, and what publishes through it."""

    contestant: Contestant
    request: Mapping[str, Any]


CONTESTANTS = {
    "Dapr's sidecar alone": Published(Contestant(NOTHING, LISTENING), RECORD),
    # it would restart a sidecar that has no subscription
    AGENT: Published(Contestant(None, NOT_DELIVERING, {"SIDECAR_GRACE_SECONDS": "300"}), SERVICE),
    "aiokafka": Published(Contestant(contestant.service("plain"), NO_SIDECAR), SERVICE),
    "the playbook's": Published(Contestant(contestant.service("playbook"), NOT_DELIVERING), SERVICE),
}


def press(stage: Stage, host: str, ledger: Ledger, request: Mapping[str, Any], load: Load) -> Result:
    """What became of a load; what was accepted is in the ledger. CPU is not known here."""
    wanted = {**request, **asdict(load), "host": host, "run": f"{ledger.prefix}{uuid4().hex[:8]}"}
    seen: dict[str, Any] = stage.toolbox.run("press", stdin=json.dumps(wanted), timeout_s=load.seconds + 30)
    ledger.events += seen["accepted"]
    ms = {name: seen[f"{name}_ms"] for name in ("p50", "p90", "p99")}
    wrong = f"refused: {seen['refused']}" if seen["refused"] else ""
    return Result(seen["accepted"], seen["per_s"], {}, wrong, ms)


def require_answers(stage: Stage, host: str, ledger: Ledger, request: Mapping[str, Any]) -> None:
    """Raise NotYetError unless a contestant accepts what it is asked; which warms it up."""
    seen = press(stage, host, ledger, request, Load(WARM_UP_S, 1))
    if not seen.events or seen.wrong:
        raise NotYetError(f"it accepted {seen.events} events; {seen.wrong}")


def pressed(stage: Stage, ledger: Ledger, one: Published) -> Iterator[tuple[Load, Result]]:
    """What a contestant did with each load, warmed up."""
    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], one.contestant) as pod:
        answering = partial(require_answers, stage, pod.host, ledger, one.request)
        stage.system.waiting.until(f"{pod.name} to publish", answering, ANSWERING_S)
        for load in LOADS:
            meter = Meter(stage.system, [pod.name])
            result = press(stage, pod.host, ledger, one.request, load)
            yield load, replace(result, used=meter.used())


def compare(stage: Stage, options: Options) -> list[Section]:
    """A section for each load; UnmetError when something that was accepted is lost."""
    found: dict[Load, dict[str, list[Result]]] = {load: defaultdict(list) for load in LOADS}
    ledger = Ledger(f"benchmark-{uuid4().hex[:8]}-")
    with stage.without_agent():
        for number in range(options.rounds):
            for name, one in CONTESTANTS.items():
                for load, result in pressed(stage, ledger, one):
                    found[load][name].append(result)
                    say(number, f"{name}, {_told(load)}", result)
    stage.until_applied(ledger)
    _, wrong = ledger.result(stage.database)
    return [
        Section(
            f"publish-{load.per_second or load.connections}",
            f"Publishing {_told(load)}, {options.rounds} rounds of {PRESS_S} s; the agent then applied all "
            f"{ledger.events:,} events that anyone had accepted",
            lines(results, AGENT),
            wrongs(results) + [wrong] * bool(wrong),
            is_charted=not load.per_second,
        )
        for load, results in found.items()
    ]


def _told(load: Load) -> str:
    return f"{load.per_second} events a second" if load.per_second else f"over {load.connections} connections"
