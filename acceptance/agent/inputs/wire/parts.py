"""A request in its parts, each of which may become anything."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Self

from acceptance.agent.inputs.request import Request
from acceptance.agent.inputs.wire.case import PLACE

END = b"\r\n"


@dataclass(frozen=True)
class Parts:
    """A request: its first line, the lines of its headers, and its body."""

    method: bytes
    target: bytes
    lines: tuple[bytes, ...] = (b"Host: agent",)
    body: bytes = b""
    version: bytes = b"HTTP/1.1"

    @classmethod
    def of(cls, request: Request, prefix: str) -> Self:
        """A good request, byte by byte as a client sends it; behind a prefix, where somebody passes it on."""
        headers = [b"%b: %b" % header for header in request.raw_headers(PLACE)]
        sized = [b"Content-Length: %d" % len(request.body)] if request.body else []
        target = (prefix + request.path).encode()
        return cls(request.method.encode(), target, (b"Host: agent", *headers, *sized), request.body)

    @property
    def head(self) -> bytes:
        """Everything before the body."""
        return END.join([b" ".join([self.method, self.target, self.version]), *self.lines, b"", b""])

    @property
    def whole(self) -> bytes:
        """The whole request."""
        return self.head + self.body

    def without(self, *names: bytes) -> Self:
        """The same without some headers."""
        kept = (line for line in self.lines if line.partition(b":")[0].strip().lower() not in names)
        return replace(self, lines=tuple(kept))

    def having(self, chance: Random, *lines: bytes) -> Self:
        """The same with further lines somewhere among the headers."""
        place = chance.randrange(len(self.lines) + 1)
        return replace(self, lines=(*self.lines[:place], *lines, *self.lines[place:]))

    def sized(self, body: bytes) -> Self:
        """The same with another body, and its length."""
        lines = (*self.without(b"content-length", b"transfer-encoding").lines, b"Content-Length: %d" % len(body))
        return replace(self, lines=lines, body=body)

    def chunked(self, body: bytes) -> Self:
        """The same with a body that is said to be in chunks."""
        lines = (*self.without(b"content-length", b"transfer-encoding").lines, b"Transfer-Encoding: chunked")
        return replace(self, lines=lines, body=body)


def split(chance: Random, whole: bytes, most: int) -> Sequence[bytes]:
    """The same bytes in so many pieces at most, at random places."""
    places = sorted(chance.choices(range(1, len(whole)), k=chance.randrange(most))) if len(whole) > 1 else []
    return [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True) if a < b]
