"""Limits on request bodies: their size, and the time they take to come."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ServiceError

KIB = 1024
MAX_HEAD_BYTES = 32 * KIB
"""Of request line and headers together, and of what stands between pieces of a body; what is usual is 8 to 64 KiB."""
DEFAULT_BYTES = 1024 * KIB
LIMITS_BYTES = {
    "/publish": 256 * KIB,
    # records of at most 1 and 2 MiB, as base64 in daprd's envelope
    "/subscribe": 4096 * KIB,
    "/dead-letters": 4096 * KIB,
}


class BodyTooLargeError(ServiceError):
    """The body is larger than its route takes: 413."""

    def __init__(self, limit: int) -> None:
        super().__init__(413, f"body: at most {limit // KIB} KiB")


class BodyIncompleteError(ServiceError):
    """Not all of the body came."""


class BodyLateError(BodyIncompleteError):
    """The body did not come in time: 408. The connection is closed: what is still to come would not be a request."""

    def __init__(self, seconds: float) -> None:
        super().__init__(408, f"body: not complete within {seconds:g} s", {"Connection": "close"})


class BodyCutError(BodyIncompleteError):
    """The client went before the body was complete, or sent what is none: 400, for whoever reads the log."""

    def __init__(self) -> None:
        super().__init__(400, "body: cut off")


class BodyLimit:
    """Raise BodyTooLargeError in whoever reads a body beyond the route's limit, before the whole of it is in memory.

    BodyIncompleteError where it is not complete in time, or never will be.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting and timing."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        # a route matches with a line break behind it too
        limit = LIMITS_BYTES.get(scope["path"].rstrip("\n"), DEFAULT_BYTES)
        deadline = asyncio.get_running_loop().time() + self._seconds
        size = 0
        more = True

        async def limited() -> Message:
            nonlocal size, more
            if not more:  # what is waited for now is the client's leaving
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise BodyLateError(self._seconds) from error
            if message["type"] == "http.disconnect":
                raise BodyCutError
            more = message.get("more_body", False)
            size += len(message.get("body", b""))
            if size > limit:
                raise BodyTooLargeError(limit)
            return message

        await self.app(scope, limited, send)
