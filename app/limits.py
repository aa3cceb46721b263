"""Limits on the size of request bodies."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import ServiceError

KIB = 1024
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


class BodyLimit:
    """Raise BodyTooLargeError in whoever reads a body beyond the route's limit, before the whole of it is in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = LIMITS_BYTES.get(scope["path"], DEFAULT_BYTES)
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > limit:
                raise BodyTooLargeError(limit)
            return message

        await self.app(scope, limited, send)
