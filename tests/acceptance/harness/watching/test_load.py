"""The program that sends steady traffic, and what is read from what became of it."""

import json
import math
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, cast

import pytest

from acceptance.harness.errors import NotYetError
from acceptance.harness.kube.kubectl import finish
from acceptance.harness.probes.toolbox import PROGRAMS, Toolbox
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.ledger import REFUSED_CONNECTION, written
from acceptance.harness.watching.load import Load, failed, unexplained
from acceptance.harness.watching.timeline import Seen, Timeline
from acceptance.in_cluster.load import outcome


class Server(BaseHTTPRequestHandler):
    """Answers by path, as the agent or, for /elsewhere, as somebody else; a write at first 503, or for ever 422."""

    protocol_version = "HTTP/1.1"
    keys: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        """Take a write at its second attempt."""
        self.rfile.read(int(self.headers["Content-Length"]))
        key = self.headers["Idempotency-Key"]
        self.send_response(422 if self.path == "/refusing" else 200 if key in self.keys else 503)
        self.send_header("Content-Type", "application/problem+json")
        self.keys.append(key)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """Answer."""
        body = b'{"id": "7"}'
        self.send_response({"/away": 503, "/elsewhere": 404}.get(self.path, 200))
        self.send_header("Content-Type", "text/html" if self.path == "/elsewhere" else "application/problem+json")
        self.send_header("Content-Length", str(len(body)))
        if self.path == "/closing":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def told(streams: list[dict[str, Any]], often: int, *states: str) -> list[dict[str, Any]]:
    """What the program prints until each stream was told so often, of some states; the first line is its clock."""
    wanted = json.dumps({"streams": streams, "seconds": 60, "timeout_s": 30})
    program = [sys.executable, "-u", str(PROGRAMS / "load.py"), wanted]
    left = {one["name"]: often for one in streams}
    lines = []
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        for line in process.stdout or ():
            lines.append(one := json.loads(line))
            if "name" in one and one["state"] in (states or one["state"]):
                left[one["name"]] -= 1
            if max(left.values()) <= 0:
                process.stdin.close()
    return lines


def test_each_request_is_told_with_what_became_of_it(web: str) -> None:
    streams = [
        {"name": name, "method": "GET", "url": url, "per_second": 20, "keep": keep}
        for name, url, keep in (
            ("kept", f"{web}/", True),
            ("closing", f"{web}/closing", True),
            ("new", f"{web}/closing", False),
            ("away", f"{web}/away", False),
            ("elsewhere", f"{web}/elsewhere", False),
            ("nobody", "http://127.0.0.1:1/", False),
        )
    ]
    clock, *lines = told(streams, 10)
    states = {one["name"]: one["state"] for one in lines}
    assert states == {
        "kept": "200",
        "closing": "200 closing",
        "new": "200",
        "away": "503",
        "elsewhere": "not the agent: 404",
        "nobody": "ClientConnectorError",
    }
    kept = sorted(one["at"] for one in lines if one["name"] == "kept")
    assert all(at > clock["clock"] + number / 20 - 0.01 for number, at in enumerate(kept))


def test_a_write_is_tried_again_under_its_id_and_told_twice(web: str) -> None:
    shared = {"method": "POST", "per_second": 20, "keep": False, "clients": 2, "key": "key"}
    streams = [{**shared, "name": name, "url": f"{web}/{name}"} for name in ("taking", "refusing")]
    lines = [(one["name"], Seen(**one)) for one in told(streams, 4, "acknowledged", "failed")[1:]]
    taken, refused = (written(seen for name, seen in lines if name == wanted) for wanted in ("taking", "refusing"))
    assert {(one.outcome, one.answers) for one in taken.values()} <= {
        ("acknowledged", ("503", "200")),
        # Both streams use the same ids: the other may have been first.
        ("acknowledged", ("200",)),
    }
    assert {(one.outcome, one.answers) for one in refused.values()} == {("failed", ("422",))}
    assert [taken[f"key-{client}-1"].sequence for client in (0, 1)] == [1, 1]
    assert all(one.invoked < one.ended < math.inf for one in taken.values())


def test_the_load_ends_what_it_has_begun_once_it_is_asked_to() -> None:
    stream = {"name": "writes", "method": "POST", "url": "http://127.0.0.1:1/", "per_second": 9, "keep": False}
    wanted = json.dumps({"streams": [{**stream, "clients": 1, "key": "key"}], "seconds": 60, "timeout_s": 2})
    program = [sys.executable, "-u", "-c", (PROGRAMS / "load.py").read_text().replace("ATTEMPTS = 10", "ATTEMPTS = 2")]
    process = subprocess.Popen([*program, wanted], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    with process:
        assert process.stdout
        seen = [process.stdout.readline() for _ in range(3)][1:]
        finish(process, within_s=60)
        seen += process.stdout
    ledger = written(Seen(**json.loads(line)) for line in seen)
    assert {(one.outcome, one.answers) for one in ledger.values()} == {("unknown", (REFUSED_CONNECTION,) * 2)}


@pytest.mark.parametrize(
    ("answers", "known"),
    [
        (["200"], "acknowledged"),
        (["202 closing"], "acknowledged"),
        (["503", "TimeoutError", "200"], "acknowledged"),
        (["422"], "failed"),
        (["TimeoutError", "422"], "unknown"),
        (["503", "503"], "unknown"),
        (["500"], "unknown"),
    ],
)
def test_what_a_client_knows_comes_from_all_of_its_attempts(answers: list[str], known: str) -> None:
    assert outcome(answers) == known


AWAY = '{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "database is unavailable: x"}'


@pytest.mark.parametrize(
    ("state", "detail", "explained"),
    [
        ("200", "", True),
        ("202 closing", "", True),
        ("404", AWAY.replace("503", "404"), True),
        ("503", AWAY, True),
        ("503 closing", AWAY.replace('": "', '":"'), True),
        ("503", AWAY.replace("database", "pubsub"), False),
        ("503", "database is unavailable: x", False),
        ("500", AWAY.replace("503", "500"), False),
        ("422", AWAY, False),
        ("not the agent: 503", AWAY, False),
        ("ServerDisconnectedError", "", False),
    ],
)
def test_an_answer_is_explained_by_what_is_away_or_needs_no_explanation(
    state: str, detail: str, *, explained: bool
) -> None:
    answer = Seen(0, "query", state, detail=detail)
    assert unexplained([answer], ("statestore", "database")) == ([] if explained else [answer])


def test_answers_are_told_from_failures() -> None:
    timeline = Timeline()
    states = ("200", "200 closing", "503", "TimeoutError")
    timeline.seen = [
        Seen(number, "publish", state, 1000 * number, '{"id": "7"}') for number, state in enumerate(states)
    ]
    load = Load(timeline, cast("Toolbox", None), Waiting())
    assert [one.state for one in failed(load.answers("publish"))] == ["503", "TimeoutError"]
    assert load.acknowledged("publish") == {"7"}
    with pytest.raises(NotYetError, match="query"):
        load.answers("query")
