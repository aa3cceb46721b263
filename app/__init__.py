"""The agent: a FastAPI service beside a Dapr sidecar, and `caller`, the second service that invokes it."""

__version__ = "0.1.0"
SERVICE = "fastapi-dapr-agent"
