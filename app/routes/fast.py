"""The hot routes on the fast path: `/subscribe` and `/publish`, as far as nothing about a request is unusual."""

import json
import logging
from collections.abc import Awaitable
from uuid import uuid4

from pydantic import ValidationError
from pydantic_core import to_json
from starlette.datastructures import State

from app.consume.handler import Handler, Status
from app.errors import DependencyUnavailableError, ServiceError, answer_to, unexpected
from app.event.data import PublishedData
from app.event.delivery import Delivery
from app.event.envelope import trace
from app.publish.publisher import Publisher
from app.server.fast_path import Answer, Request
from app.server.limits import KIB, LIMITS_BYTES
from app.sidecar.api import TOPIC
from app.sidecar.guard import Guard

logger = logging.getLogger(__name__)
HANDLED = {status: Answer.ok(b'{"status":"%b"}' % status.encode()) for status in Status}
PLAIN_JSON = {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
SMALL_BYTES = 16 * KIB
WISHES = {b"idempotency-key", b"prefer"}
TRACEPARENT, TRACESTATE = b"traceparent", b"tracestate"


class Deliveries:
    """`POST /subscribe` by the pod's own sidecar."""

    def __init__(self, guard: Guard, handler: Handler) -> None:
        self._guard = guard
        self._handler = handler

    def take(self, request: Request) -> Awaitable[Answer] | None:
        """Begin to handle a delivery; what may be somebody else's is left."""
        return self._handle(request) if self._guard.is_delivery({"headers": request.headers}) else None

    async def _handle(self, request: Request) -> Answer:
        return HANDLED[await self._handler.handle(Delivery.of(request.body, request.headers))]


class Publishes:
    """`POST /publish` with JSON that is right, by a client that wishes nothing."""

    def __init__(self, publisher: Publisher, app_state: State) -> None:
        self._publisher = publisher
        self._app_state = app_state

    def take(self, request: Request) -> Awaitable[Answer] | None:
        """Begin to publish; whatever is to be refused is left."""
        names = [name for name, _ in request.headers]
        headers = dict(request.headers)
        if (
            headers.get(b"content-type", b"").lower() not in PLAIN_JSON
            or not WISHES.isdisjoint(names)
            or names.count(b"content-type") > 1
            or names.count(TRACEPARENT) > 1
            or names.count(TRACESTATE) > 1
            or len(request.body) > LIMITS_BYTES[request.path]
            # a crowd's bodies are not in memory as objects
            or (len(request.body) > SMALL_BYTES and self._app_state.places.are_taken)
        ):
            return None
        try:
            data = PublishedData.model_validate(json.loads(request.body))
        except (ValueError, ValidationError, RecursionError):
            return None
        self._app_state.requests += 1
        told = [headers[name].decode("latin-1") if name in headers else None for name in (TRACEPARENT, TRACESTATE)]
        return self._publish(data, trace(*told))

    async def _publish(self, data: PublishedData, traced: dict[str, str]) -> Answer:
        event_id = uuid4().hex
        try:
            async with self._app_state.places.one():
                await self._publisher.publish(event_id, data, traced)
        except DependencyUnavailableError as error:
            return Answer.of(answer_to(error.about(event_id)))
        except ServiceError as error:
            return Answer.of(answer_to(error))
        except Exception:
            logger.exception("Publishing of event %s raised", event_id)
            return Answer.of(unexpected())
        return Answer.ok(to_json({"status": "published", "topic": TOPIC, "message": data.message, "id": event_id}))
