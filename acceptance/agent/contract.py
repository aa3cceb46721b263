"""What the contract fixes, whatever the parts of the system are called where it is deployed."""

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
