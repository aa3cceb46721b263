"""Forged events: by every way and trick, exactly as they are written, and judged by their answers."""

import json
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from acceptance.agent.inputs.forgery import NOT_NEEDED, ROUTES, TRICKS, Way
from acceptance.in_cluster import forge


@pytest.fixture
def seen() -> list[str]:
    """The request lines that reach the server."""
    return []


@pytest.fixture
def address(seen: list[str]) -> Iterator[str]:
    """A server that answers 401."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.requestline.split(" ")[1])
            self.send_response(401)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def do_DELETE(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_trick_is_tried_on_every_route_and_arrives_as_it_is_written(address: str, seen: list[str]) -> None:
    requests = Way("outside", address, prefix="/invoke/").requests("1", "a")
    assert len(requests) == len(ROUTES) * len(TRICKS)
    assert {forge.status_of(one) for one in requests} == {401}
    # Python's own server takes slashes off the front
    assert [path.lstrip("/") for path in seen] == [one["path"].lstrip("/") for one in requests]
    assert {"/invoke/publish/../subscribe", "/invoke/%73ubscribe", "/invoke/%2573ubscribe"} <= set(seen)


def test_an_invocation_is_tried_with_what_the_caller_does_not_need() -> None:
    requests = Way("the caller", "host:1", invokes=True).requests("1", "a")
    assert {(one["method"], one["path"].lstrip("/")) for one in requests} >= {*NOT_NEEDED}


def test_nobody_who_answers_is_told_as_no_status(address: str) -> None:
    (first, *_) = Way("closed", address).requests("1", "a")
    assert forge.status_of(first | {"host": "127.0.0.1", "port": 1}) == 0


def test_the_program_answers_a_line_each(address: str) -> None:
    requests = Way("outside", address).requests("1", "a")[:3]
    told = subprocess.run(
        [sys.executable, forge.__file__],
        input="\n".join(map(json.dumps, requests)),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == [401] * 3


@pytest.mark.parametrize(
    ("status", "accepted", "broken"), [(200, True, False), (302, True, False), (403, False, False), (500, False, True)]
)
def test_an_answer_is_a_refusal_or_it_is_told(status: int, accepted: bool, broken: bool) -> None:  # noqa: FBT001 - a row
    way = Way("outside", "host:1")
    assert (way.is_accepted(status), way.is_broken(status)) == (accepted, broken)


def test_only_an_application_has_to_answer() -> None:
    assert Way("outside", "host:1").is_broken(0)
    assert not Way("a closed port", "host:1", by_app=False).is_broken(0)
    assert not Way("a sidecar", "host:1", by_app=False).is_broken(500)
