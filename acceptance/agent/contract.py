"""What the contract fixes, whatever the parts of the system are called where it is deployed."""

import json

from acceptance.harness.errors import NotYetError
from acceptance.harness.watching.timeline import Timeline

AGENT = "fastapi-dapr-agent"
CALLER = "fastapi-dapr-caller"
"""Dapr's app-ids, and how the services call themselves."""
PUBSUB = "kafka-pubsub"
STATESTORE = "postgres-statestore"
TOPIC = "agent-events"
DEAD_LETTER_TOPIC = "agent-events-dead-letters"
STATE_TABLE = "agent_state"

CHECKS = {"api", "database", "dapr", "pubsub", "statestore"}
DEPENDENCIES = {"kafka": ("pubsub",), "postgres": ("database", "statestore")}
"""The backends, and by what names the agent tells that one is away."""

DAPRD = "daprd"
APP_PORT = 8000
LEAVING = "shutting down"
"""What `/ready` says from SIGTERM on."""
SIDECAR_PORT = 3500
SIDECAR_METRICS_PORT = 9090
SIDECAR_INTERNAL_PORT = 50002


NOT_CHECKED = "not checked yet"


def named(timeline: Timeline, check: str, since: float = 0.0, text: str = "") -> float:
    """When /ready first said 503 with an error of this check that holds a text. Raises NotYetError while it did not."""
    for seen in timeline.of("ready", since):
        checks = json.loads(seen.detail)["checks"] if seen.state == "503" else {}
        error = checks.get(check, {}).get("error") or NOT_CHECKED
        if error != NOT_CHECKED and text in error:
            return seen.at
    raise NotYetError(f"/ready has not named {check}{text and f', saying {text!r}'}")
