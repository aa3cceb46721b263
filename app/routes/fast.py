"""The hot routes on the fast path: `/subscribe` and `/publish`, as far as nothing about a request is unusual."""

import json
import logging
import re
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
from app.publish.publisher import Publisher, Wishes
from app.routes.publish import KEY, MAX_KEY, RESPOND_ASYNC, queued
from app.server.fast_path import Answer, Request
from app.server.limits import KIB, LIMITS_BYTES
from app.sidecar.api import TOPIC
from app.sidecar.guard import Guard

logger = logging.getLogger(__name__)
HANDLED = {status: Answer.ok(b'{"status":"%b"}' % status.encode()) for status in Status}
PLAIN_JSON = {b"application/json", b"application/json; charset=utf-8", b"application/json;charset=utf-8"}
SMALL_BYTES = 16 * KIB
USUAL_KEY = re.compile(KEY, re.ASCII)
ASYNC = RESPOND_ASYNC.encode()


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
    """`POST /publish` with JSON that is right, and wishes that are written as usual."""

    def __init__(self, publisher: Publisher, app_state: State) -> None:
        self._publisher = publisher
        self._app_state = app_state

    def take(self, request: Request) -> Awaitable[Answer] | None:
        """Begin to publish; whatever is to be refused is left."""
        headers = dict(request.headers)
        if (
            len(headers) < len(request.headers)  # one is there twice
            or headers.get(b"content-type", b"").lower() not in PLAIN_JSON
            or headers.get(b"prefer", ASYNC) != ASYNC
            or len(request.body) > LIMITS_BYTES[request.path]
            # a crowd's bodies are not in memory as objects
            or (len(request.body) > SMALL_BYTES and self._app_state.places.are_taken)
        ):
            return None
        key, traceparent, tracestate = (
            headers[name].decode("latin-1") if name in headers else None
            for name in (b"idempotency-key", b"traceparent", b"tracestate")
        )
        if key is not None and (len(key) > MAX_KEY or not USUAL_KEY.fullmatch(key)):
            return None
        try:
            data = PublishedData.model_validate(json.loads(request.body))
        except (ValueError, ValidationError, RecursionError):
            return None
        self._app_state.requests += 1
        return self._publish(data, Wishes(key, b"prefer" in headers, trace(traceparent, tracestate)))

    async def _publish(self, data: PublishedData, wishes: Wishes) -> Answer:
        event_id = wishes.idempotency_key or uuid4().hex
        try:
            async with self._app_state.places.one():
                await self._publisher.accept(event_id, data, wishes)
        except DependencyUnavailableError as error:
            return Answer.of(answer_to(error.about(event_id)))
        except ServiceError as error:
            return Answer.of(answer_to(error))
        except Exception:
            logger.exception("Publishing of event %s raised", event_id)
            return Answer.of(unexpected())
        status = "queued" if wishes.respond_async else "published"
        told = to_json({"status": status, "topic": TOPIC, "message": data.message, "id": event_id})
        return Answer.ok(told, 202, queued(event_id)) if wishes.respond_async else Answer.ok(told)
