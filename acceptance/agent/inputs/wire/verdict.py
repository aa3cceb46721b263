"""What has to become of every case: some end in time, well-formed answers, and no server error that nobody explains."""

from base64 import b64decode
from dataclasses import dataclass
from typing import Any
from zlib import decompress

import httpx

from acceptance.agent.inputs.bad_answer import PROBLEM, Verdict, fault
from acceptance.agent.inputs.request import Request
from acceptance.agent.inputs.wire.answer import SHOWN, Answer, MalformedError, answers
from acceptance.agent.inputs.wire.case import Case

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
