"""Between SIGTERM and the end: clients are told to go elsewhere, and served until none comes any more."""

import asyncio
from time import monotonic

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.sidecar.api import SUBSCRIPTIONS

UNCOUNTED = {"/health", "/ready", *(subscription["route"] for subscription in SUBSCRIPTIONS)}
"""What kubelet and the pod's own sidecar ask until the end; an event that is refused then goes to another replica."""
TURN_S = 0.1


class Drain:
    """Answer with `Connection: close` while draining: a kept connection would end in the middle of a later request."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the request and pass it on; whether to close is decided when its answer begins."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["app"].state.draining:
                MutableHeaders(scope=message)["connection"] = "close"
            await send(message)

        if scope["type"] == "http" and scope["path"] not in UNCOUNTED:
            scope["app"].state.requests += 1
        await self.app(scope, receive, closing)


def add_drain(app: FastAPI) -> None:
    """Let an app know whether it is `draining`, and how many `requests` have come."""
    app.state.draining = False
    app.state.requests = 0
    app.add_middleware(Drain)


async def until_quiet(app: FastAPI, quiet_seconds: float, longest_seconds: float) -> None:
    """Wait until no request has come for a while, or for the longest time.

    How soon a Service's packets go elsewhere is nobody's promise, and what is unread when a listener closes is reset.
    """
    quiet, deadline = 0.0, monotonic() + longest_seconds
    while quiet < quiet_seconds and monotonic() < deadline:
        seen = app.state.requests
        await asyncio.sleep(TURN_S)
        # counted in turns of the loop: one that was held up has requests yet to read
        quiet = quiet + TURN_S if app.state.requests == seen else 0.0
