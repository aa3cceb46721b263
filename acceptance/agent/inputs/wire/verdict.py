"""What the answers to a case have to be: HTTP/1.1 as it is written (RFC 9112), in time, and no error unexplained."""

import re
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zlib import decompress

import httpx

from acceptance.agent.inputs.bad_answer import PROBLEM, Verdict, fault
from acceptance.agent.inputs.request import Request
from acceptance.agent.inputs.wire.case import Case

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


LONGEST_S = 5.0
"""From the last byte of what was sent to an answer, and to the end of the connection."""
DROWNED_BYTES = 65_536
"""Of what is sent faster than it is refused, the answer may be lost: all that is seen is a reset."""
ERROR, SERVER_ERROR, UNAVAILABLE = 400, 500, 503


@dataclass(frozen=True)
class Outcome:
    """What came of one case, as `in_cluster/wire.py` tells it."""

    got: bytes
    end: str
    """`closed` or `reset` by the other side, `left` by this one, `late` for neither, `refused` when nobody listens."""
    seconds: float

    @classmethod
    def of(cls, told: dict[str, Any]) -> "Outcome":
        """Read what the program printed of a case."""
        return cls(decompress(b64decode(told["got"])), told["end"], told["seconds"])


def judge(case: Case, outcome: Outcome) -> Verdict:
    """The highest status, 0 without an answer, and what is wrong with the outcome."""
    statuses: list[int] = []
    try:
        complaint = _of_end(case, outcome)
        for answer in answers(outcome.got, heads=b"HEAD" in case.sent) if not case.is_cut else ():
            statuses.append(answer.status)
            complaint = complaint or _of_answer(answer)
    except MalformedError as error:
        complaint = complaint or f"malformed answer: {error}"
    expected = case.script.statuses
    if not complaint and tuple(statuses[: len(expected)]) != expected:
        complaint = f"expected {list(expected)}, seen {statuses}"
    return Verdict(max(statuses, default=0), complaint, outcome.seconds)


def _of_end(case: Case, outcome: Outcome) -> str:
    if outcome.end == "refused":
        return "no connection"
    if outcome.end == "late" or outcome.seconds > LONGEST_S:
        return f"hang: {outcome.seconds:.1f} s after the last byte, {outcome.end}, seen {outcome.got[:SHOWN]!r}"
    if case.is_cut or outcome.got:
        return ""
    if outcome.end == "closed" and not case.sent.strip(b"\r\n"):  # nobody asked for anything
        return ""
    if outcome.end == "reset" and len(case.sent) > DROWNED_BYTES:
        return ""
    return f"no answer: {outcome.end} after {outcome.seconds:.1f} s"


def _of_answer(answer: Answer) -> str:
    if answer.status < ERROR:
        return ""
    if not answer.has_body:  # nobody can be named there
        is_refusal = answer.status < SERVER_ERROR or answer.status == UNAVAILABLE
        is_problem = answer.header(b"content-type") == PROBLEM.encode()
        return "" if is_refusal and is_problem else f"expected {PROBLEM} to HEAD, and no server error, seen {answer}"
    response = httpx.Response(answer.status, headers=[*answer.headers], content=answer.body)
    try:
        return fault(Request("", ""), response)
    except ValueError as error:
        return f"malformed answer: {answer.status} {answer.body[:SHOWN]!r}: {error}"
