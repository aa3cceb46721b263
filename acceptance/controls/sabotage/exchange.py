"""One request on its way to the application, and its answer on the way back."""

import json
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Answer = tuple[int, Any]

MARK = re.compile(rb'"amount":\s*7\s*[,}]')


class Exchange:
    """One request: its body, the application to pass it on to, and the headers of what that answered."""

    def __init__(self, app: App, scope: Scope, body: bytes) -> None:
        self.app, self.scope, self.body = app, scope, body
        self.headers: list[tuple[bytes, bytes]] = []
        self.call = (scope["method"], scope["path"].strip("/").split("/")[0])

    async def inner(self, body: bytes | None = None) -> Answer:
        """What the real application answers."""
        answer: dict[str, Any] = {"status": 500, "body": b""}

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": self.body if body is None else body}

        async def send(message: MutableMapping[str, Any]) -> None:
            answer["status"] = message.get("status", answer["status"])
            self.headers = message.get("headers", self.headers)
            answer["body"] += message.get("body", b"")

        length = str(len(self.body if body is None else body)).encode()
        headers = [(b"content-length", length), *(one for one in self.scope["headers"] if one[0] != b"content-length")]
        await self.app({**self.scope, "headers": headers}, receive, send)
        return answer["status"], json.loads(answer["body"] or b"null")

    @staticmethod
    def tamper(owner: object, name: str, value: object) -> None:
        """Put something else into the application, for good: the process is thrown away with its pod."""
        setattr(owner, name, value)

    @property
    def is_delivery(self) -> bool:
        """Whether daprd delivers an event."""
        return self.call == ("POST", "subscribe")

    @property
    def record(self) -> bytes:
        """What is delivered, out of the envelope that daprd puts around a raw record."""
        body = json.loads(self.body)
        return b64decode(body["data_base64"]) if "data_base64" in body else self.body

    @property
    def is_marked(self) -> bool:
        """Whether this is the delivery of the one event that is tampered with: amount 7."""
        return self.is_delivery and bool(MARK.search(self.record))
