"""What is wrong with an answer to bad input."""

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from acceptance.agent.inputs.request import Request, escaped

PROBLEM = "application/problem+json"
# the caller names the agent
DEPENDENCY_AWAY = re.compile(r"(database|pubsub|statestore|dapr|fastapi-dapr-agent) is unavailable: |not ready: ")
REPLIES = ({"status": "SUCCESS"}, {"status": "RETRY"}, {"status": "DROP"})

Send = Callable[[Request], httpx.Response]


@dataclass(frozen=True)
class Verdict:
    """What became of one request; the status is 0 without an answer, the complaint empty when all is as promised."""

    status: int
    complaint: str
    seconds: float


def examine(send: Send, request: Request, *, is_refused: bool | None = None) -> Verdict:
    """Send a request and look at its answer, also at whether it had to be a refusal; what was saved is read back."""
    started = time.monotonic()
    try:
        answer = send(request)
    except (httpx.TransportError, TimeoutError) as error:
        return Verdict(0, f"no answer: {error!r}", time.monotonic() - started)
    seconds = time.monotonic() - started
    saved = answer.status_code == 200 and (request.method, request.path.partition("?")[0]) == ("POST", "/state")
    complaint = fault(request, answer) or misjudged(answer, is_refused=is_refused)
    return Verdict(answer.status_code, complaint or (changed(send, request) if saved else ""), seconds)


def fault(request: Request, answer: httpx.Response) -> str:
    """What is wrong with an answer: a server error that no dependency explains, or an error that is not a problem."""
    seen = f"{answer.status_code} {answer.headers.get('content-type')} {answer.text[:300]}"
    if request.by_daprd:
        answered = answer.status_code == 200 and answer.json() in REPLIES
        return "" if answered else f"expected 200 and SUCCESS, RETRY or DROP, seen {seen}"
    if answer.status_code < 400:
        return ""
    if answer.headers.get("content-type") != PROBLEM:
        return f"expected {PROBLEM}, seen {seen}"
    problem = answer.json()
    if problem.get("status") != answer.status_code or not problem.get("title") or not problem.get("detail"):
        return f"expected title, status and detail, seen {seen}"
    if answer.status_code >= 500 and not (answer.status_code == 503 and DEPENDENCY_AWAY.match(problem["detail"])):
        return f"expected no server error, or a 503 that names a dependency, seen {seen}"
    return ""


def misjudged(answer: httpx.Response, *, is_refused: bool | None) -> str:
    """What is wrong with an answer that accepts what is to be refused, or the other way; None leaves it open.

    Nobody can judge while a dependency is away, and what is absent was well asked for.
    """
    if is_refused is None or answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return ""
    refused = answer.is_client_error and answer.status_code != httpx.codes.NOT_FOUND
    if refused == is_refused:
        return ""
    wanted = "a refusal" if is_refused else "acceptance"
    return f"expected {wanted}, seen {answer.status_code} {answer.text[:300]}"


def changed(send: Send, saved: Request) -> str:
    """What is wrong with the value of a request that saved one, when it is read back; then it is deleted."""
    entry = json.loads(saved.body)
    path = f"/state/{escaped(entry['key'])}"
    read = send(Request("GET", path))
    send(Request("DELETE", path))
    if read.status_code != 200:
        return f"expected the saved value at {path}, seen {read.status_code} {read.text[:300]}"
    if canonical(read.text) != canonical(saved.body):
        return f"expected an equal value at {path}, seen {read.text[:300]}"
    return ""


def canonical(entry: str | bytes) -> str:
    """The value of an entry, the same text for equal JSON: 1 and 1.0, 0 and -0 are one number, 1 and true are not."""
    return json.dumps(json.loads(entry, parse_int=_number, parse_float=_number)["value"], sort_keys=True)


def _number(digits: str) -> float:
    return float(digits) + 0.0  # -0.0 becomes 0.0
