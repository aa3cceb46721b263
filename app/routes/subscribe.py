"""Events as Dapr delivers them."""

import logging
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from app.consume.handler import Handler, Status
from app.errors import problems
from app.event.delivery import Delivery
from app.server.limits import BodyIncompleteError, BodyTooLargeError
from app.sidecar.api import SUBSCRIPTIONS
from app.sidecar.guard import Guard

router = APIRouter(tags=["dapr"])
logger = logging.getLogger(__name__)
BODY: dict[str, Any] = {"requestBody": {"content": {"application/cloudevents+json": {"schema": {"type": "object"}}}}}


class Reply(BaseModel):
    """What is to become of a delivered event."""

    status: Status


def reply(status: Status) -> Response:
    """Answer daprd with a finished response: what FastAPI does to make one of a model is spared each event."""
    return Response(Reply(status=status).model_dump_json(), media_type="application/json")


async def body_of(request: Request) -> bytes | None:
    """Read a delivery's body, None when it is too large to be read. BodyIncompleteError when not all of it comes."""
    try:
        return await request.body()
    except BodyTooLargeError:
        return None


@router.get("/dapr/subscribe")
async def subscriptions(request: Request) -> list[dict[str, Any]]:
    """Tell daprd what to deliver, and where."""
    guard: Guard = request.state.guard
    guard.meet(request.scope)
    return SUBSCRIPTIONS


@router.post("/subscribe", openapi_extra=BODY, response_model=Reply, responses=problems(401))
async def subscribe(request: Request) -> Response:
    """Apply a delivered event, once however often it is delivered. To the sidecar always 200, whatever the body.

    `SUCCESS`: applied, or sent to the dead letter topic; an event without a usable id goes there under an id made of
    its position in the topic, one too large to be read too. `RETRY`: a dependency is away, handling raised and attempts
    are left, or the body was cut short.
    """
    # those that daprd sends as it usually does never come this far: app/server/fast_path.py
    guard: Guard = request.state.guard
    guard.require_delivery(request.scope)
    try:
        body = await body_of(request)
    except BodyIncompleteError as error:
        logger.warning("A delivery was cut short: %s", error.detail)
        return reply(Status.RETRY)
    # not by Depends, which is solved anew for each event: with the finished response an eighth of an event's CPU
    handler: Handler = request.state.handler
    return reply(await handler.handle(Delivery.of(body, request.scope["headers"])))
