"""What every client says to the agent, in this order, and what it is to hear."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

CHUNKED = "Transfer-Encoding: chunked"
CONTINUE = "Expect: 100-continue"
"""What these two ask for, a client does in its library's own way."""
LARGE = "x" * 200_000


@dataclass(frozen=True)
class Exchange:
    """A request, and what is expected of its answer."""

    name: str
    method: str
    path: str
    status: int
    body: str = ""
    headers: tuple[str, ...] = ()
    answer: dict[str, Any] = field(default_factory=dict)
    """Members of the answer's JSON, some of them."""
    answer_headers: tuple[str, ...] = ()
    is_early: bool = False
    """Whether the answer comes before the body is read: whoever still sends it may close the connection then."""

    @property
    def line(self) -> str:
        """The request as a line of text, for languages that bring no reader of JSON: method, path, body, headers."""
        content_type = ("Content-Type: application/json",) if self.body else ()
        return "\t".join([self.method, self.path, self.body, *content_type, *self.headers])

    def complaint(self, line: str) -> str:
        """What is wrong with an answer, empty if nothing is; it is a line too: status, body, headers."""
        status, body, *headers = line.split("\t")
        if status != str(self.status):
            return f"expected {self.status}, got {status} {_cut(body)}"
        expected_type = "application/problem+json" if self.status >= 400 else "application/json"
        expected = [*self.answer_headers, *[f"content-type: {expected_type}"] * bool(self.answer)]
        if missing := [header for header in expected if header not in headers]:
            return f"expected {missing}, got {headers}"
        if not self.answer:
            return f"expected no body, got {_cut(body)}" if body else ""
        members = json.loads(body)
        got = {name: members.get(name) for name in self.answer}
        return "" if got == self.answer else f"expected {_cut(self.answer)}, got {_cut(got)}"


def exchanges(run: str) -> list[Exchange]:
    """All of them, about events and keys of this run's own."""
    event = json.dumps({"message": "Grüße", "metadata": {"key": "Müller"}}, ensure_ascii=False)
    other = json.dumps({"message": "another"})
    large, too_large = json.dumps({"message": LARGE}), json.dumps({"message": LARGE * 5})
    first, later = f"first-{run}", f"later-{run}"
    queued = (f"Idempotency-Key: {later}", "Prefer: respond-async")
    key, in_path = f"Zürich/1 €-{run}", f"Z%C3%BCrich%2F1%20%E2%82%AC-{run}"
    value = {"größe": [1, 2.5, None, "日本"]}
    entry = json.dumps({"key": key, "value": value}, ensure_ascii=False)
    taken = ("allow: DELETE, GET, HEAD, OPTIONS",)
    return [
        Exchange("health", "GET", "/health", 200, answer={"status": "healthy"}),
        Exchange("publish", "POST", "/publish", 200, event, answer={"status": "published", "message": "Grüße"}),
        Exchange("publish under a key", "POST", "/publish", 200, event, (f"Idempotency-Key: {first}",), {"id": first}),
        Exchange(
            "queue", "POST", "/publish", 202, event, queued, {"status": "queued"}, (f"location: /events/{later}",)
        ),
        Exchange("queue again", "POST", "/publish", 202, event, queued, {"id": later}),
        Exchange("queue another under its key", "POST", "/publish", 422, other, queued, {"status": 422}),
        Exchange("event", "GET", f"/events/{later}", 200, answer={"key": "Müller", "message": "Grüße"}),
        Exchange("head", "HEAD", f"/events/{later}", 200),
        Exchange("options", "OPTIONS", f"/state/{in_path}", 204, answer_headers=taken),
        Exchange("wrong method", "PATCH", f"/state/{in_path}", 405, entry, (), {"status": 405}, taken),
        Exchange("save", "POST", "/state", 200, entry, answer={"status": "saved", "key": key}),
        Exchange("read", "GET", f"/state/{in_path}", 200, answer={"key": key, "value": value}),
        Exchange("delete", "DELETE", f"/state/{in_path}", 200, answer={"status": "deleted", "key": key}),
        Exchange("read what is gone", "GET", f"/state/{in_path}", 404, answer={"detail": f"key {key} has no value"}),
        Exchange("save in chunks", "POST", "/state", 200, entry, (CHUNKED,), {"status": "saved", "key": key}),
        Exchange("no JSON", "POST", "/publish", 422, '{"message": ', answer={"status": 422}),
        Exchange("wrong member", "POST", "/publish", 422, '{"message": 7}', answer={"status": 422}),
        Exchange("large", "POST", "/publish", 200, large, answer={"message": LARGE}),
        Exchange("large, once it is wanted", "POST", "/publish", 200, large, (CONTINUE,), {"message": LARGE}),
        Exchange("no text in the path", "GET", "/state/%ff", 400, answer={"status": 400}),
        Exchange("no route", "POST", "/nowhere", 404, large, answer={"status": 404}, is_early=True),
        Exchange("too large", "POST", "/publish", 413, too_large, answer={"status": 413}, is_early=True),
        Exchange("health after all", "GET", "/health", 200, answer={"status": "healthy"}),
    ]


def requests(text: str) -> Iterable[tuple[str, str, str, dict[str, str]]]:
    """Read lines of requests: method, path, body, headers."""
    for line in text.split("\n"):
        method, path, body, *headers = line.split("\t")
        yield method, path, body, dict(header.split(": ", 1) for header in headers)


def answer(status: int | str, body: str, headers: Iterable[tuple[str, str]]) -> str:
    """Write an answer as a line."""
    return "\t".join([f"{status}", body, *(f"{name.lower()}: {value}" for name, value in headers)])


def _cut(value: object) -> str:
    return str(value)[:200]
