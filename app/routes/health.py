"""Liveness and readiness."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from app import SERVICE
from app.errors import ServiceError, problems
from app.services import AgentMonitor

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process answers; asks nobody."""
    return {"status": "healthy", "service": SERVICE}


@router.get("/ready", responses=problems(422, 503))
async def ready(
    monitor: AgentMonitor, view: Annotated[Literal["serving", "events"] | None, Query(alias="for")] = None
) -> dict[str, Any]:
    """Report what the background checks found last, without waiting for anything.

    503 when one is failing. `for=serving` leaves Kafka out: state, queries and invocation work without it.
    `for=events` asks only whether this replica can apply events, and rides out a blip of the database: the sidecar
    gives the events to another replica when it cannot.
    """
    checks = monitor.report_events() if view == "events" else await monitor.report(serving=view == "serving")
    failing = [f"{name} ({check['error']})" for name, check in checks.items() if check["status"] != "ok"]
    if failing:
        raise ServiceError(503, f"not ready: {', '.join(failing)}", checks=checks)
    return {"status": "ready", "checks": checks}
