"""The second service: it invokes the agent through both sidecars."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Annotated, TypedDict
from urllib.parse import quote

from fastapi import APIRouter, FastAPI, Request, Response

from app.config import CallerSettings, load
from app.errors import PROBLEM, DependencyUnavailableError, ServiceError, problems
from app.server.web import make_app
from app.services import AgentSidecar, from_state
from app.sidecar.api import Sidecar

SERVICE = "fastapi-dapr-caller"
TO_AGENT = ("content-type", "idempotency-key", "prefer", "traceparent", "tracestate")
FROM_AGENT = (
    "allow",
    "content-type",
    "location",
    "preference-applied",
    "retry-after",
    "www-authenticate",
)
CLEANED = {b"", b".", b".."}
"""Segments that the sidecar takes out of a path: one that climbs would reach the sidecar's own API."""
BROKEN_ESCAPE = re.compile(b"%(?![0-9A-Fa-f]{2})")
URL_CHARACTERS = "%/?:@!$&'()*+,;=-._~"
Settings = Annotated[CallerSettings, from_state("settings")]


class State(TypedDict):
    """The caller's state while it runs."""

    settings: CallerSettings
    sidecar: Sidecar


router = APIRouter()


@router.get("/health")
async def health() -> dict[str, str]:
    """Say that the process answers; asks nobody."""
    return {"status": "healthy", "service": SERVICE}


@router.get("/ready", responses=problems(503))
async def ready(request: Request, sidecar: AgentSidecar) -> dict[str, str]:
    """Ask this pod's own sidecar, nobody else: Kafka away takes nothing from this service."""
    if request.app.state.draining:
        raise ServiceError(503, "shutting down")
    await sidecar.metadata()
    return {"status": "ready"}


async def invoke(request: Request, settings: Settings, sidecar: AgentSidecar) -> Response:
    """Invoke the agent through both sidecars; status and body are the agent's own. 503 when it cannot be reached.

    `Idempotency-Key`, `Prefer` and the trace reach the agent; `Location` leads there by way of this service again.
    """
    passed = [(name, value) for name in TO_AGENT for value in request.headers.getlist(name)]
    target = target_of(request.scope["raw_path"], request.url.query)
    try:
        status, headers, body = await sidecar.invoke(
            settings.agent_app_id, request.method, target, await request.body(), passed
        )
    except DependencyUnavailableError as error:
        # as the agent's own: the event may be on its way, a retry must use its id
        if (given := request.headers.get("idempotency-key")) is not None:
            error.members["id"] = given
        raise
    if status >= HTTPStatus.BAD_REQUEST and headers.get("content-type") != PROBLEM:
        raise refused(settings.agent_app_id, status, body)
    answered = {name: headers[name] for name in FROM_AGENT if name in headers}
    if answered.get("location", "").startswith("/"):
        answered["location"] = f"/invoke{answered['location']}"
    return Response(body, status, answered)


for method in ("GET", "POST", "DELETE"):
    router.add_api_route(
        "/invoke/{path:path}",
        invoke,
        methods=[method],
        operation_id=f"invoke_{method.lower()}",
        responses=problems(400, 403, 408, 413, 503),
    )


def refused(app_id: str, status: int, body: bytes) -> ServiceError:
    """Tell of an error that is no problem: no service of ours said so, but a sidecar on the way, as of a long path."""
    told = f"the sidecar answered {status}: {body[:300].decode(errors='replace')}"
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return ServiceError(status, f"request: {told}")
    return DependencyUnavailableError(app_id, told)


def target_of(raw_path: bytes, query: str) -> str:
    """Take the agent's path and query from the caller's, as the client encoded them: `%2F` in a key stays `%2F`."""
    path = raw_path.removeprefix(b"/invoke/")
    if path and CLEANED.intersection(path.split(b"/")):
        raise ServiceError(400, "path: must not contain the segments . and .., nor empty ones")
    if BROKEN_ESCAPE.search(path):
        raise ServiceError(400, "path: % must begin an escape of two hexadecimal digits")
    # daprd decodes the path, and sends on what that makes: escaped once more, it arrives as the client wrote it
    encoded = quote(path, safe=URL_CHARACTERS).replace("%", "%25")
    return encoded + (f"?{quote(query, safe=URL_CHARACTERS)}" if query else "")


def create_app(settings: CallerSettings | None = None) -> FastAPI:
    """Make the caller, with settings from the environment unless given."""
    settings = settings or load(CallerSettings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[State]:
        async with Sidecar(settings) as sidecar:
            yield {"settings": settings, "sidecar": sidecar}

    app = make_app(SERVICE, settings, lifespan)
    app.include_router(router)
    return app
