"""Deliveries as daprd sends them, read without the parser and answered without the routes.

A delivery that the parser reads and a route answers costs twice the CPU of one that is taken apart here
(`python -m benchmarks.cpu`). Only what is nothing but one whole request, written as Go writes it, is.
Whatever is unusual about it leaves it to the parser.
"""

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.delivery import Delivery
from app.guard import Guard
from app.handler import Handler, Status
from app.limits import MAX_HEAD_BYTES

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
HEAD = re.compile(rb"POST /subscribe HTTP/1\.1(?:\r\n" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*)+")
BEGINNING = b"POST /subscribe HTTP/1.1\r\n"
ONCE = (b"host", b"content-length")
UNUSUAL = {b"connection", b"expect", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
"""Headers that say something about how the request or the connection goes on."""
BODIES = {status: b'{"status":"%b"}' % status.encode() for status in Status}


class Request(NamedTuple):
    """A request: its headers, their names in small letters, and its body."""

    headers: list[tuple[bytes, bytes]]
    body: bytes


class FastPath:
    """The way of a delivery past the parser and the routes."""

    def __init__(self, guard: Guard, handler: Handler, is_draining: Callable[[], bool]) -> None:
        self._guard = guard
        self._handler = handler
        self.is_draining = is_draining
        """Whether this pod is to end, so that an answer is the last on its connection."""

    def read(self, data: bytes) -> Request | None:
        """Read a delivery by the sidecar; None when it is not all, or nothing but, one that is written as usual."""
        request = read(data)
        return request if request and self._guard.is_delivery({"headers": request.headers}) else None

    async def handle(self, request: Request) -> Status:
        """Handle a delivery."""
        return await self._handler.handle(Delivery.of(request.body, request.headers))


def read(data: bytes) -> Request | None:
    """Read a request; None when it is not all, or nothing but, a delivery that is written as usual."""
    if not data.startswith(BEGINNING):
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    if len(head) > MAX_HEAD_BYTES or not HEAD.fullmatch(head):
        return None
    lines = head[len(BEGINNING) :].split(b"\r\n")
    headers = [(name.lower(), value.lstrip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    names = [name for name, _ in headers]
    if any(names.count(name) != 1 for name in ONCE) or not UNUSUAL.isdisjoint(names):
        return None
    length = headers[names.index(b"content-length")][1]
    if not length.isdigit() or int(length) != len(body):
        return None
    return Request(headers, body)


def answer(status: Status, headers: Sequence[tuple[bytes, bytes]], *, is_last: bool) -> bytes:
    """Write the answer to a delivery, with these headers, the last on its connection or not."""
    body = BODIES[status]
    lines = [b"%b: %b\r\n" % header for header in headers]
    if is_last:
        lines.append(b"connection: close\r\n")
    head = b"HTTP/1.1 200 OK\r\n%bcontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (b"".join(lines), len(body)) + body
