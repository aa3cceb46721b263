"""The requests of the fuzzed suite, and the judgement of their answers, which has to find what is wrong."""

import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import islice
from threading import Thread
from typing import Any

import httpx
import pytest

from acceptance.agent.inputs import bad_input
from acceptance.agent.inputs.bad_answer import PROBLEM, examine
from acceptance.agent.inputs.request import CLOUD_EVENTS, Request, routes_of

DOCUMENT: dict[str, Any] = {
    "paths": {
        "/state": {
            "post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/E"}}}}}
        },
        "/state/{key}": {"get": {"parameters": [{"in": "path", "name": "key"}]}},
        "/publish": {"post": {"parameters": [{"in": "header", "name": "Idempotency-Key"}]}},
        "/subscribe": {"post": {"requestBody": {"content": {CLOUD_EVENTS: {}}}}},
    },
    "components": {"schemas": {"E": {"examples": [{"key": "a", "value": 1}]}}},
}
ROUTES = routes_of(DOCUMENT)
STATE, READ, PUBLISH, SUBSCRIBE = ROUTES
AWAY = {"title": "Service Unavailable", "status": 503, "detail": "pubsub is unavailable: no answer"}
BROKEN = {"title": "Internal Server Error", "status": 500, "detail": "unexpected error"}
REFUSED = {"title": "Unprocessable Entity", "status": 422, "detail": "key: too long"}
PUBLISHED = PUBLISH.request()
DELIVERED = SUBSCRIBE.request()


def problem(body: dict[str, Any], **changes: object) -> httpx.Response:
    return httpx.Response(int(body["status"]), headers={"content-type": PROBLEM}, json={**body, **changes})


def test_the_first_round_has_every_route_with_every_class() -> None:
    count = len(ROUTES) * len(bad_input.CLASSES)
    met = {(case.route.path, case.input) for case in islice(bad_input.cases(ROUTES), count)}
    assert len(met) == count


def test_a_text_is_put_in_each_place() -> None:
    sent = [case.request for case in bad_input.cases(ROUTES) if case.input == "text: Dapr's separator"]
    assert {request.path for request in sent if request.method == "GET"} == {
        "/state/a%7C%7Cb",
        "/state/bad-input?extra=a%7C%7Cb",
    }
    assert ("Idempotency-Key", b"a||b") in {header for request in sent for header in request.headers}
    assert b'{"key": "a||b", "value": 1}' in {request.body for request in sent}


@pytest.mark.parametrize(
    ("request_", "answer", "complaint"),
    [
        (PUBLISHED, problem(REFUSED), ""),
        (PUBLISHED, problem(AWAY), ""),
        (PUBLISHED, problem(BROKEN), "expected no server error"),
        (PUBLISHED, problem(AWAY, detail="try later"), "names a dependency"),
        (PUBLISHED, problem(REFUSED, status=400), "expected title, status and detail"),
        (PUBLISHED, httpx.Response(422, json=REFUSED), f"expected {PROBLEM}"),
        (DELIVERED, httpx.Response(200, json={"status": "DROP"}), ""),
        (DELIVERED, httpx.Response(200, json={"status": "processed"}), "SUCCESS, RETRY or DROP"),
        (DELIVERED, problem(REFUSED), "expected 200"),
    ],
)
def test_an_answer_that_is_not_as_promised_is_told(request_: Request, answer: httpx.Response, complaint: str) -> None:
    seen = examine(lambda _: answer, request_).complaint
    assert complaint in seen
    assert bool(complaint) == bool(seen)


@pytest.mark.parametrize(
    ("answer", "refused", "accepted"),
    [
        (problem(REFUSED), "", "expected acceptance"),
        (problem({**REFUSED, "status": 400}), "", "expected acceptance"),
        (problem({**REFUSED, "status": 404}), "expected a refusal", ""),
        (problem(AWAY), "", ""),
        (httpx.Response(200, json={}), "expected a refusal", ""),
        (httpx.Response(204), "expected a refusal", ""),
    ],
)
def test_what_is_accepted_though_it_has_to_be_refused_is_told_and_the_other_way(
    answer: httpx.Response, refused: str, accepted: str
) -> None:
    for is_refused, complaint in ((True, refused), (False, accepted), (None, "")):
        seen = examine(lambda _: answer, PUBLISHED, is_refused=is_refused).complaint
        assert complaint in seen
        assert bool(complaint) == bool(seen)


@pytest.mark.parametrize(("read", "equal"), [(b"1.0", True), (b"true", False), (b"2", False), (b"null", False)])
def test_a_value_that_comes_back_changed_is_told(read: bytes, equal: bool) -> None:  # noqa: FBT001 - a column of the table
    def send(request: Request) -> httpx.Response:
        return httpx.Response(
            200, content=b'{"key": "a", "value": ' + read + b"}" if request.method == "GET" else b"{}"
        )

    assert (examine(send, STATE.request()).complaint == "") == equal


def test_no_answer_is_told() -> None:
    def send(_: Request) -> httpx.Response:
        raise httpx.ReadTimeout("nothing")

    assert "no answer" in examine(send, PUBLISHED).complaint


@pytest.mark.parametrize("body", [b'{"a": 1}', b"@file", bytes(range(256)), b"x" * 5000])
def test_a_curl_line_sends_the_request_again_to_the_byte(body: bytes) -> None:
    seen: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            length = int(self.headers["content-length"])
            seen.update(path=self.path, header=self.headers["x-bad"], body=self.rfile.read(length))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        try:
            line = Request("PUT", "/a%00?b=%27", (("x-bad", b"'\xff"),), body).curl(
                f"http://127.0.0.1:{server.server_port}"
            )
            subprocess.run(["bash", "-c", line], check=True, capture_output=True)
        finally:
            server.shutdown()
    assert seen == {"path": "/a%00?b=%27", "header": "'\xff", "body": body}


def test_only_a_delivery_carries_the_apps_token_and_no_curl_line_does() -> None:
    sent = {request.by_daprd: request for request in (DELIVERED, PUBLISHED)}
    assert (b"dapr-api-token", b"hunter2") in sent[True].raw_headers("hunter2")
    assert (b"dapr-api-token", b"hunter2") not in sent[False].raw_headers("hunter2")
    assert '--header "dapr-api-token: $APP_API_TOKEN"' in sent[True].curl("http://agent")
    assert "dapr-api-token" not in sent[False].curl("http://agent")
