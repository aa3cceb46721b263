"""Publishing events to Kafka through Dapr."""

import re
from typing import Annotated, Any, Literal
from uuid import uuid4

from fastapi import APIRouter, Depends, Header, Request, Response
from pydantic import BaseModel

from app.errors import DependencyUnavailableError, ServiceError, problems
from app.event.data import PublishedData
from app.event.envelope import trace
from app.publish.publisher import Wishes
from app.services import AgentPublisher
from app.sidecar.api import TOPIC

router = APIRouter(tags=["events"])
RESPOND_ASYNC = "respond-async"
QUOTED = re.compile(r'"(\\.|[^"\\])*"')

KEY, MAX_KEY = "[.]*[A-Za-z0-9_~-][A-Za-z0-9._~-]*", 128
"""A path of dots alone means another place to whoever follows `Location`."""

IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=f"^{KEY}$", max_length=MAX_KEY, examples=["order-1842"]),
]
Prefer = Annotated[list[str] | None, Header(alias="Prefer", examples=[[RESPOND_ASYNC]])]


async def wishes(
    request: Request,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
    traceparent: Annotated[str | None, Header()] = None,
    tracestate: Annotated[list[str] | None, Header()] = None,
) -> Wishes:
    """Read what the headers ask for. ServiceError (400) when there are several keys."""
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise ServiceError(400, "Idempotency-Key: expected one, for an event has one id")
    traced = trace(traceparent, ",".join(tracestate or []))
    return Wishes(idempotency_key, RESPOND_ASYNC in preferences(prefer or []), traced)


class Published(BaseModel):
    """An event that Kafka has acknowledged, or one that PostgreSQL keeps until Kafka has."""

    status: Literal["published", "queued"]
    topic: str = TOPIC
    message: str
    id: str


RESPONSES: dict[int | str, dict[str, Any]] = {
    202: {"model": Published, "description": "Queued in the outbox; `Location` shows what becomes of it"}
}


@router.post("/publish", responses=RESPONSES | problems(400, 408, 413, 422, 503))
async def publish(
    data: PublishedData,
    publisher: AgentPublisher,
    response: Response,
    wished: Annotated[Wishes, Depends(wishes)],
) -> Published:
    """Publish an event; `GET /events/{id}` shows what the handler made of it.

    `Idempotency-Key` becomes its id: however often it is sent, it takes effect once, and with another body it is a 422.
    `Prefer: respond-async` answers 202 once the event is in the outbox, also while Kafka is away.
    A 503 carries the event's `id`: the event may still arrive, so a retry must use it as its key.
    `traceparent` and `tracestate` go with the event, where they are a trace (W3C).
    """
    event_id = wished.idempotency_key or uuid4().hex
    try:
        await publisher.accept(event_id, data, wished)
    except DependencyUnavailableError as error:
        raise error.about(event_id) from error
    if wished.respond_async:
        response.status_code = 202
        response.headers.update(queued(event_id))
    return Published(status="queued" if wished.respond_async else "published", message=data.message, id=event_id)


def queued(event_id: str) -> dict[str, str]:
    """Headers of the answer when an event is in the outbox (RFC 7240, RFC 9110)."""
    return {"Location": f"/events/{event_id}", "Preference-Applied": RESPOND_ASYNC}


def preferences(headers: list[str]) -> set[str]:
    """Names of the preferences in `Prefer` headers (RFC 7240), without their values and parameters."""
    unquoted = QUOTED.sub("", ",".join(headers))
    return {re.split("[;=]", preference, maxsplit=1)[0].strip().lower() for preference in unquoted.split(",")}
