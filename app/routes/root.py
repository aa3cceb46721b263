"""What this service is."""

from typing import Any

from fastapi import APIRouter

from app import SERVICE, __version__

router = APIRouter(tags=["service"])
ENDPOINTS = {
    "health": "GET /health",
    "ready": "GET /ready",
    "publish": "POST /publish",
    "event": "GET /events/{id}",
    "events": "GET /events?key=",
    "save_state": "POST /state",
    "get_state": "GET /state/{key}",
    "delete_state": "DELETE /state/{key}",
    "query": "GET /db/query",
    "subscriptions": "GET /dapr/subscribe",
    "subscribe": "POST /subscribe",
    "dead_letters": "POST /dead-letters",
    "docs": "GET /docs",
}


@router.get("/")
async def root() -> dict[str, Any]:
    """Name the service, its version and its endpoints."""
    return {"service": SERVICE, "version": __version__, "endpoints": ENDPOINTS}
