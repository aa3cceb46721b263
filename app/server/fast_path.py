"""Requests of the two hot routes, read without the parser and answered without the routes.

A delivery that the parser reads and a route answers costs twice the CPU of one that is taken apart here, a publish
three times (`python -m benchmarks.cpu`). Only what is nothing but one whole request, written as clients write it, is.
Whatever is unusual about it leaves it to the parser.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType
from typing import NamedTuple, Protocol

from starlette.responses import Response

from app.server.limits import MAX_HEAD_BYTES

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
HEAD = re.compile(rb"POST (/publish|/subscribe) HTTP/1\.1((?:\r\n" + TOKEN + rb":[\t\x20-\x7e\x80-\xff]*)+)")
BEGINNINGS = (b"POST /publish HTTP/1.1\r\n", b"POST /subscribe HTTP/1.1\r\n")
ONCE = (b"host", b"content-length")
MAX_DIGITS = 10
"""Of a length; Python refuses to read thousands."""
UNUSUAL = {b"content-encoding", b"expect", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
"""Headers that say something about how the request or the connection goes on, or how the body is to be read."""


class Request(NamedTuple):
    """A request: its path, its headers, their names in small letters, and its body."""

    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Answer(NamedTuple):
    """An answer, but for the headers that all have."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes

    @classmethod
    def of(cls, response: Response) -> "Answer":
        """The answer that a route would give as this response."""
        return cls(response.status_code, response.raw_headers, bytes(response.body))

    @classmethod
    def ok(cls, body: bytes, status: int = 200, headers: Mapping[str, str] = MappingProxyType({})) -> "Answer":
        """The answer of a route where all is well: JSON, and such headers."""
        more = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        length = b"%d" % len(body)
        return cls(status, [(b"content-length", length), (b"content-type", b"application/json"), *more], body)


class Route(Protocol):
    """What a path's requests are for; it leaves to the routes what it would not answer exactly as they do."""

    def take(self, request: Request) -> Awaitable[Answer] | None:
        """Begin to answer a request, or leave it."""


class FastPath:
    """The way past the parser and the routes."""

    def __init__(self, routes: Mapping[str, Route], is_draining: Callable[[], bool]) -> None:
        self._routes = routes
        self.is_draining = is_draining
        """Whether this pod is to end, so that an answer is the last on its connection."""

    def take(self, data: bytes) -> Awaitable[Answer] | None:
        """Begin to answer a request; None when it is not all, or nothing but, one that is written as usual."""
        request = read(data)
        return self._routes[request.path].take(request) if request else None


def read(data: bytes) -> Request | None:
    """Read a request; None when it is not all, or nothing but, one to a hot route that is written as usual."""
    if not data.startswith(BEGINNINGS):
        return None
    head, _, body = data.partition(b"\r\n\r\n")
    if len(head) > MAX_HEAD_BYTES or not (found := HEAD.fullmatch(head)):
        return None
    lines = found[2].split(b"\r\n")[1:]
    headers = [(name.lower(), value.lstrip(b" \t")) for name, _, value in (line.partition(b":") for line in lines)]
    names = [name for name, _ in headers]
    if any(names.count(name) != 1 for name in ONCE) or not UNUSUAL.isdisjoint(names):
        return None
    # said by many a client, it is so anyway
    if any(name == b"connection" and value.lower() != b"keep-alive" for name, value in headers):
        return None
    length = headers[names.index(b"content-length")][1]
    if not length.isdigit() or len(length) > MAX_DIGITS or int(length) != len(body):
        return None
    return Request(found[1].decode(), headers, body)


def write(answer: Answer, headers: Sequence[tuple[bytes, bytes]], *, is_last: bool) -> bytes:
    """Write an answer, with these headers besides its own, the last on its connection or not."""
    lines = [b"%b: %b\r\n" % header for header in (*headers, *answer.headers)]
    if is_last:
        lines.append(b"connection: close\r\n")
    phrase = HTTPStatus(answer.status).phrase.encode()
    return b"HTTP/1.1 %d %b\r\n%b\r\n%b" % (answer.status, phrase, b"".join(lines), answer.body)
