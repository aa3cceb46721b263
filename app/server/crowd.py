"""How many requests are worked on at once: a crowd waits for its turn, or comes again later, and delays no check."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp, Receive, Scope, Send

from app.errors import RETRY_AFTER_SECONDS, ServiceError, answer_to
from app.server.drain import UNCOUNTED

PASSING = UNCOUNTED | {"/dapr/config", "/dapr/subscribe"}
"""What kubelet and the pod's own sidecar ask is bounded by them, and everything else hangs on the answer."""


class CrowdedError(ServiceError):
    """There are too many requests: 503, with Retry-After."""

    def __init__(self, waited_seconds: float) -> None:
        detail = f"too many requests at once: no place came free within {waited_seconds:g} s"
        super().__init__(503, detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})


class Places:
    """Places for so many requests at once; for one of them others wait so long."""

    def __init__(self, at_once: int, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._places = asyncio.Semaphore(at_once)

    @property
    def are_taken(self) -> bool:
        """Whether one has to be waited for."""
        return self._places.locked()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """A place; CrowdedError when none comes free in time."""
        if self.are_taken:
            try:
                async with asyncio.timeout(self._wait_seconds):
                    await self._places.acquire()
            except TimeoutError as error:
                raise CrowdedError(self._wait_seconds) from error
        else:
            await self._places.acquire()
        try:
            yield
        finally:
            self._places.release()


class Crowd:
    """Pass a request on when there is a place for it; probes and deliveries never wait."""

    def __init__(self, app: ASGIApp, places: Places) -> None:
        self.app = app
        self._places = places

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on when it is its turn; 503 when that does not come in time."""
        if scope["type"] != "http" or scope["path"] in PASSING:
            await self.app(scope, receive, send)
            return
        try:
            async with self._places.one():
                await self.app(scope, receive, send)
        except CrowdedError as error:
            await answer_to(error)(scope, receive, send)
