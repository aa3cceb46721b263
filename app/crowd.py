"""How many requests are worked on at once: a crowd waits for its turn, or comes again later, and delays no check."""

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from app.drain import UNCOUNTED
from app.errors import RETRY_AFTER_SECONDS, problem

PASSING = UNCOUNTED | {"/dapr/config", "/dapr/subscribe"}
"""What kubelet and the pod's own sidecar ask is bounded by them, and everything else hangs on the answer."""


class Crowd:
    """Pass so many requests on at once, and let others wait for so long; probes and deliveries never wait."""

    def __init__(self, app: ASGIApp, at_once: int, wait_seconds: float) -> None:
        self.app = app
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(at_once)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it is its turn; 503 when that does not come in time."""
        if scope["type"] != "http" or scope["path"] in PASSING:
            await self.app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._places.acquire()
        except TimeoutError:
            detail = f"too many requests at once: no place came free within {self._wait_seconds:g} s"
            await problem(503, detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            self._places.release()
