"""`python -m benchmarks.publish`: events published by the agent, and by services that people write without it.

Runs on the cluster of `make up`. In each round each contestant has a pod with the agent's limits, and its connections
are kept busy for some seconds; none of them consumes meanwhile. Afterwards the agent applies what was published. Ends
with 1 unless that is as much as was accepted.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from acceptance.agent.record import cloud_event
from acceptance.harness.errors import NotYetError
from app.dapr import BINARY, PUBSUB, TOPIC
from benchmarks import contestant
from benchmarks.contestant import NOT_DELIVERING, NOTHING, Contestant
from benchmarks.results import Result, lines, table, wrongs
from benchmarks.stage import Stage, opened
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
NO_SIDECAR = {"dapr.io/enabled": "false"}
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


@dataclass
class Ledger:
    """What was accepted so far, of keys that begin with one prefix."""

    prefix: str
    accepted: int = 0


def press(stage: Stage, host: str, ledger: Ledger, request: Mapping[str, Any], **how: int) -> dict[str, Any]:
    """What became of the requests of so many `connections` in so many `seconds`; what was accepted is in the ledger."""
    wanted = {**request, "host": host, "run": f"{ledger.prefix}{uuid4().hex[:8]}", **how}
    seen: dict[str, Any] = stage.toolbox.run("press", stdin=json.dumps(wanted), timeout_s=how["seconds"] + 30)
    ledger.accepted += seen["accepted"]
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


def rounds(stage: Stage, count: int) -> dict[int, dict[str, list[Result]]]:
    """What each contestant did in every round, by connections; UnmetError when something that was accepted is lost."""
    found: dict[int, dict[str, list[Result]]] = {connections: defaultdict(list) for connections in CONNECTIONS}
    ledger = Ledger(f"benchmark-{uuid4().hex[:8]}-")
    with stage.without_agent():
        for number in range(count):
            for name, one in CONTESTANTS.items():
                for connections, result in pressed(stage, ledger, one):
                    found[connections][name].append(result)
                    told = f"{result.per_s:8.0f} events/s, p90 {result.ms['p90']:6.1f} ms  {result.wrong}"
                    print(f"round {number + 1}: {name:24}{connections:3} connections {told}", flush=True)
    print(f"accepted {ledger.accepted} events, which the agent is to apply now", flush=True)
    stage.until_applied(ledger.prefix, ledger.accepted)
    return found


def main() -> int:
    """Print every round, then the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.publish")
    parser.add_argument("--rounds", type=int, default=5, help="(default: 5)")
    options = parser.parse_args()
    with opened() as stage:
        found = rounds(stage, options.rounds)
    for connections, results in found.items():
        print(f"\n{connections} connections", *table(lines(results, AGENT)), sep="\n")
    return 1 if any(wrongs(results) for results in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
