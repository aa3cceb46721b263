"""Publishing: by the agent, and by services that people write without it, one event a request.

In each round each contestant has a pod with the agent's limits, and its connections are kept busy for some seconds;
none of them consumes meanwhile. Afterwards the agent applies all that was accepted.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from acceptance.agent.record import cloud_event
from acceptance.harness.errors import NotYetError
from app.dapr import BINARY, PUBSUB, TOPIC
from benchmarks import contestant
from benchmarks.contestant import NO_SIDECAR, NOT_DELIVERING, NOTHING, Contestant
from benchmarks.ledger import Ledger
from benchmarks.results import Result, Section, lines, say, wrongs
from benchmarks.stage import Options, Stage
from benchmarks.usage import Meter

CONNECTIONS = (16, 64)
WARM_UP_S, PRESS_S, ANSWERING_S = 1, 4, 30
MESSAGE = "x" * 500
DATA = {"message": MESSAGE, "metadata": {"key": "KEY", "amount": 1}}
SERVICE = {"port": 8000, "path": "/publish", "body": json.dumps(DATA), "headers": {"Content-Type": "application/json"}}
RECORD = {
    "port": 3500,
    "path": f"/v1.0/publish/{PUBSUB}/{TOPIC}?metadata.rawPayload=true&metadata.partitionKey=KEY",
    "body": cloud_event("ID", "KEY", data=DATA).decode(),
    "headers": {"Content-Type": BINARY},
}
# it is asked from another pod, as the services are
LISTENING = NOT_DELIVERING | {"dapr.io/sidecar-listen-addresses": "0.0.0.0"}  # noqa: S104 - a pod's
AGENT = "agent"


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


def press(stage: Stage, host: str, ledger: Ledger, request: Mapping[str, Any], **how: int) -> dict[str, Any]:
    """What became of the requests of so many `connections` in so many `seconds`; what was accepted is in the ledger."""
    wanted = {**request, "host": host, "run": f"{ledger.prefix}{uuid4().hex[:8]}", **how}
    seen: dict[str, Any] = stage.toolbox.run("press", stdin=json.dumps(wanted), timeout_s=how["seconds"] + 30)
    ledger.events += seen["accepted"]
    return seen


def pressed(stage: Stage, ledger: Ledger, one: Published) -> Iterator[tuple[int, Result]]:
    """What a contestant did with each number of connections, warmed up."""
    with contestant.running(stage.system, stage.journal, uuid4().hex[:8], one.contestant) as pod:

        def answering() -> None:
            seen = press(stage, pod.host, ledger, one.request, connections=1, seconds=WARM_UP_S)
            if not seen["accepted"] or seen["refused"]:
                raise NotYetError(f"it answers {seen}")

        stage.system.waiting.until(f"{pod.name} to publish", answering, ANSWERING_S)
        for connections in CONNECTIONS:
            meter = Meter(stage.system, [pod.name])
            seen = press(stage, pod.host, ledger, one.request, connections=connections, seconds=PRESS_S)
            ms = {name: seen[f"{name}_ms"] for name in ("p50", "p90", "p99")}
            wrong = f"refused: {seen['refused']}" if seen["refused"] else ""
            yield connections, Result(seen["accepted"], seen["per_s"], meter.used(), wrong, ms)


def compare(stage: Stage, options: Options) -> list[Section]:
    """A section for each number of connections; UnmetError when something that was accepted is lost."""
    found: dict[int, dict[str, list[Result]]] = {connections: defaultdict(list) for connections in CONNECTIONS}
    ledger = Ledger(f"benchmark-{uuid4().hex[:8]}-")
    with stage.without_agent():
        for number in range(options.rounds):
            for name, one in CONTESTANTS.items():
                for connections, result in pressed(stage, ledger, one):
                    found[connections][name].append(result)
                    say(number, f"{name}, {connections} connections", result)
    stage.until_applied(ledger)
    _, wrong = ledger.result(stage.database)
    return [
        Section(
            f"publish-{connections}",
            f"Publishing over {connections} connections, {options.rounds} rounds of {PRESS_S} s; the agent then "
            f"applied all {ledger.events:,} events that anyone had accepted",
            lines(results, AGENT),
            wrongs(results) + [wrong] * bool(wrong),
        )
        for connections, results in found.items()
    ]
