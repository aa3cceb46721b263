"""Answers, read from the bytes of a connection as strictly as HTTP/1.1 is written (RFC 9112)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d) [\t -~\x80-\xff]*")
HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*?)[ \t]*")
SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
NO_CONTENT, NOT_MODIFIED, FINAL = 204, 304, 200
SHOWN = 300


class MalformedError(Exception):
    """What is no answer, and why."""


@dataclass(frozen=True)
class Answer:
    """One final answer; without a body where it is to have none."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    has_body: bool = True

    def header(self, name: bytes) -> bytes | None:
        """The only value of a header. Raises MalformedError when there are several."""
        found = [value for one, value in self.headers if one.lower() == name]
        if len(found) > 1:
            raise MalformedError(f"{name.decode()} is there {len(found)} times")
        return found[0] if found else None


def answers(got: bytes, *, heads: bool) -> Iterator[Answer]:
    """Every final answer in order; `heads` where one may be to HEAD. Raises MalformedError at what is none."""
    while got:
        head, end, got = got.partition(b"\r\n\r\n")
        if not end:
            raise MalformedError(f"no end of its headers: {head[:SHOWN]!r}")
        answer = _head(head)
        if answer.status < FINAL:
            continue
        body, got = _body(answer, got, heads=heads)
        yield answer if body is None else Answer(answer.status, answer.headers, body)


def _head(head: bytes) -> Answer:
    first, *lines = head.split(b"\r\n")
    if not (found := STATUS_LINE.fullmatch(first)):
        raise MalformedError(f"no status line: {first[:SHOWN]!r}")
    headers = []
    for line in lines:
        if not (header := HEADER.fullmatch(line)):
            raise MalformedError(f"no header: {line[:SHOWN]!r}")
        headers.append((header[1], header[2]))
    return Answer(int(found[1]), tuple(headers), has_body=False)


def _body(answer: Answer, rest: bytes, *, heads: bool) -> tuple[bytes | None, bytes]:
    """The body, None where it is to have none, and what comes behind it."""
    length, coding = answer.header(b"content-length"), answer.header(b"transfer-encoding")
    if answer.status in {NO_CONTENT, NOT_MODIFIED}:
        if coding is not None or (length is not None and answer.status == NO_CONTENT):
            raise MalformedError(f"{answer.status} with the headers of a body")
        return None, rest
    if heads and (not rest or rest.startswith(b"HTTP/1.")):
        return None, rest
    if coding is not None:
        if coding.lower() != b"chunked" or length is not None:
            raise MalformedError(f"transfer-encoding {coding!r}, content-length {length!r}")
        return _chunks(rest)
    if length is None:
        return rest, b""
    if not length.isdigit() or len(rest) < int(length):
        raise MalformedError(f"content-length {length!r}, and {len(rest)} bytes")
    return rest[: int(length)], rest[int(length) :]


def _chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while found := SIZE.match(rest):
        size, rest = int(found[1], 16), rest[found.end() :]
        piece, end, rest = rest[:size], rest[size : size + 2], rest[size + 2 :]
        if end != b"\r\n":
            break
        if not size:
            return body, rest
        body += piece
    raise MalformedError(f"no chunk: {rest[:SHOWN]!r}")
