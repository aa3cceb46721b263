"""One case: a request in its parts, what is done with a connection step by step, and what is known of its answers."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, NamedTuple, Self
from zlib import compress

from acceptance.agent.inputs.request import Request

Cut = Literal["shut", "reset", "leave"]
"""Nothing more is sent, or the connection is reset, or closed before an answer is read."""
Step = bytes | float | Cut
"""What is sent, or the seconds that pass, or how the connection is cut."""
SHOWN = 1500
PLACE = "$APP_API_TOKEN"
"""What stands for the app's token until it is sent, so that no part of it is ever shown."""


class Script(NamedTuple):
    """The steps, and the statuses of the first answers where they are known."""

    steps: tuple[Step, ...]
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """The same steps for the same seed and number, as long as the routes are the same."""

    seed: int
    number: int
    kind: str
    script: Script

    @property
    def is_cut(self) -> bool:
        """Whether the client goes before it was answered."""
        return any(isinstance(step, str) for step in self.script.steps)

    @property
    def sent(self) -> bytes:
        """All that is sent, if nobody closes the connection meanwhile."""
        return b"".join(step for step in self.script.steps if isinstance(step, bytes))

    @property
    def told(self) -> str:
        """Kind, number and steps, with the bytes escaped."""
        lines = [f"{self.kind}, case {self.seed}/{self.number}:", *(_told(step) for step in self.script.steps)]
        return "\n  ".join(lines)


def packed(cases: Iterable[Case], token: str = "") -> list[list[Any]]:
    """The steps as `in_cluster/wire.py` takes them, with the app's token in its place."""
    return [[_packed(step, token) for step in case.script.steps] for case in cases]


def as_lines(cases: Iterable[Case], token: str = "") -> str:
    """The same as JSON, a line for each case."""
    return "".join(json.dumps(steps) + "\n" for steps in packed(cases, token))


def _packed(step: Step, token: str) -> list[Any]:
    if isinstance(step, bytes):
        return ["send", b64encode(compress(step.replace(PLACE.encode(), token.encode()))).decode()]
    return [step] if isinstance(step, str) else ["pause", step]


def _told(step: Step) -> str:
    if isinstance(step, bytes):
        rest = f"... {len(step)} bytes" if len(step) > SHOWN else ""
        return f"send {step[:SHOWN]!r}{rest}"
    return step if isinstance(step, str) else f"pause {step:.3f} s"


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
