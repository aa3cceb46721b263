"""The fuzz by bytes: made again from its seed, played as it is written, and judged so that nothing wrong passes."""

import asyncio
import json
import subprocess
import sys
import zlib
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from acceptance.agent.inputs.request import CLOUD_EVENTS, routes_of
from acceptance.agent.inputs.wire.case import Case, Cut, Script, as_lines, packed
from acceptance.agent.inputs.wire.cases import KINDS, cases
from acceptance.agent.inputs.wire.verdict import MalformedError, Outcome, answers, judge
from acceptance.in_cluster import wire
from tests.app.listener import close

pytestmark = pytest.mark.anyio

TOKEN = "hunter2"
DOCUMENT: dict[str, Any] = {
    "paths": {
        "/health": {"get": {}},
        "/subscribe": {"post": {"requestBody": {"content": {CLOUD_EVENTS: {}}}}},
    },
}
ROUTES = routes_of(DOCUMENT)
ASKED = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
GET = Case(1, 2, "target", Script((ASKED,)))
LONGEST_S = 0.5
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def problem(status: int, detail: str, told: int | None = None, kind: str = "application/problem+json") -> bytes:
    body = json.dumps({"title": "Title", "status": told or status, "detail": detail})
    return f"HTTP/1.1 {status} Title\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[int]:
    """A server that treats every connection alike, and its port."""

    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await serve(reader, writer)
            writer.close()
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(asyncio.create_task(served(reader, writer)))

    connections: list[asyncio.Task[None]] = []
    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    await close(server)
    await asyncio.gather(*connections)


def saying(answer: bytes, then_s: float = 0.0) -> Serve:
    """The same answer to everybody, and silence for some time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(answer)
        await asyncio.sleep(then_s)

    return serve


async def outcome_of(case: Case, serve: Serve, longest_s: float = LONGEST_S) -> Outcome:
    async with serving(serve) as port:
        wanted = {"host": "127.0.0.1", "port": port, "at_once": 1, "seconds": longest_s}
        (told,) = await wire.run(wanted, packed([case]))
    return Outcome.of(told)


@pytest.mark.parametrize(
    "answer",
    [
        OK,
        OK * 20,
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 204 No Content\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + OK,
        problem(404, "nothing here"),
        problem(503, "pubsub is unavailable: no answer"),
        problem(503, "not ready: database (away)"),
    ],
    ids=["200", "a row of them", "100 before it", "204", "chunked", "404", "503 of pubsub", "503 of /ready"],
)
async def test_what_is_promised_passes(answer: bytes) -> None:
    assert judge(GET, await outcome_of(GET, saying(answer))).complaint == ""


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (problem(500, "unexpected error"), "expected no server error"),
        (problem(503, "too many requests at once"), "a 503 that names a dependency"),
        (problem(502, "pubsub is unavailable: no answer"), "expected no server error"),
        (OK + problem(500, "unexpected error"), "expected no server error"),
        (problem(400, "bad", kind="text/plain"), "expected application/problem+json"),
        (problem(400, "bad", told=404), "expected title, status and detail"),
        (problem(400, ""), "expected title, status and detail"),
        (problem(400, "bad")[:-1].replace(b"length: ", b"length: 0"), "malformed answer: content-length"),
        (problem(400, "bad").replace(b'"title":', b'"title";'), "malformed answer: 400"),
        (b"Internal Server Error", "malformed answer: no end of its headers"),
        (b"HTTP/2 200 OK\r\n\r\n", "malformed answer: no status line"),
        (b"HTTP/1.1 200 OK\r\nX: a\nY: b\r\n\r\n", "malformed answer: no header"),
        (b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n", "malformed answer: no header"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n", "malformed answer: content-length is"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}", "malformed answer: no chunk"),
        (b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", "malformed answer: 204"),
        (OK + b"junk", "malformed answer: no end"),
        (b"", "no answer: closed"),
    ],
)
async def test_what_is_wrong_is_named(answer: bytes, complaint: str) -> None:
    assert complaint in judge(GET, await outcome_of(GET, saying(answer))).complaint


@pytest.mark.parametrize("answer", [b"", OK, OK[:-1]], ids=["no answer", "an answer, no end", "half an answer"])
async def test_a_hang_is_named(answer: bytes) -> None:
    verdict = judge(GET, await outcome_of(GET, saying(answer, 3 * LONGEST_S)))
    assert verdict.complaint.startswith("hang: ")
    assert verdict.seconds >= LONGEST_S


async def test_an_answer_that_comes_late_is_a_hang() -> None:
    assert judge(GET, Outcome(OK, "closed", 5.1)).complaint.startswith("hang: ")


async def test_nobody_who_listens_is_named() -> None:
    async with serving(saying(OK)) as port:
        pass
    told = await wire.play({"host": "127.0.0.1", "port": port, "seconds": LONGEST_S}, [])
    assert judge(GET, Outcome.of(told)).complaint == "no connection"


@pytest.mark.parametrize(("size", "complaint"), [(10, "no answer: reset"), (100_000, "")])
async def test_only_of_many_bytes_the_answer_may_be_lost(size: int, complaint: str) -> None:
    case = Case(1, 2, "target", Script((b"x" * size,)))
    assert judge(case, Outcome(b"", "reset", 0.1)).complaint.startswith(complaint)


def test_blank_lines_ask_for_nothing() -> None:
    assert judge(Case(1, 2, "first", Script((b"\r\n\n",))), Outcome(b"", "closed", 4.0)).complaint == ""
    assert judge(GET, Outcome(b"", "closed", 4.0)).complaint == "no answer: closed after 4.0 s"


async def test_an_answer_may_come_before_the_last_bytes() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        await reader.readuntil(b"Connection: close\r\n\r\n")

    case = Case(1, 2, "slow", Script((ASKED, 0.05, b"[]")))
    assert judge(case, await outcome_of(case, serve)).complaint == ""


async def test_what_asks_for_the_end_may_be_taken_for_a_part_of_what_was_answered() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK)
        for _ in range(2):
            await reader.readuntil(b"Connection: close\r\n\r\n")

    outcome = await outcome_of(GET, serve, longest_s=5)
    assert judge(GET, outcome).complaint == ""
    assert outcome.seconds > wire.UNHEARD_S


@pytest.mark.parametrize(
    ("statuses", "complaint"),
    [((200,), ""), ((200, 404), ""), ((404,), "expected [404], seen [200, 404]"), ((200, 404, 200), "expected")],
)
async def test_answers_that_are_known_beforehand_have_to_come(statuses: tuple[int, ...], complaint: str) -> None:
    case = Case(1, 2, "pipeline", Script((ASKED * 2,), statuses))
    outcome = await outcome_of(case, saying(OK + problem(404, "nothing here")))
    assert judge(case, outcome).complaint.startswith(complaint)


@pytest.mark.parametrize("how", ["shut", "reset", "leave"])
async def test_who_goes_is_owed_no_answer(how: Cut) -> None:
    case = Case(1, 2, "cut", Script((ASKED[:5], how)))
    assert judge(case, await outcome_of(case, saying(b""))).complaint == ""


def test_the_answer_to_head_has_no_body() -> None:
    (first, second) = answers(OK[:-2] + OK, heads=True)
    assert (first.has_body, second.body) == (False, b"{}")
    with pytest.raises(MalformedError):
        list(answers(OK[:-2] + OK, heads=False))


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (problem(404, "nothing here"), ""),
        (problem(503, "pubsub is unavailable: no answer"), ""),
        (problem(500, "unexpected error"), "expected application/problem+json to HEAD, and no server error"),
        (problem(404, "nothing here", kind="text/html"), "expected application/problem+json to HEAD"),
    ],
)
def test_an_answer_to_head_is_judged_by_its_headers(answer: bytes, complaint: str) -> None:
    case = Case(1, 2, "method", Script((ASKED.replace(b"GET", b"HEAD"),)))
    outcome = Outcome(answer.partition(b"{")[0], "closed", 0.1)
    assert judge(case, outcome).complaint.startswith(complaint)
    assert bool(judge(case, outcome).complaint) == bool(complaint)


async def test_a_connection_that_is_kept_is_asked_to_be_closed() -> None:
    seen = bytearray()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while b"Connection: close" not in seen:
            seen.extend(await reader.read(65536))
            writer.write(OK)

    outcome = await outcome_of(GET, serve)
    assert (outcome.got, outcome.end) == (OK * 2, "closed")
    assert bytes(seen) == ASKED + wire.LAST


async def test_steps_are_taken_one_after_the_other() -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(65536):
            seen.append(piece)
        writer.write(OK)

    case = Case(1, 2, "slow", Script((b"a\0", 0.05, b"\xffb", "shut")))
    assert (await outcome_of(case, serve)).got == OK
    assert seen == [b"a\0", b"\xffb"]


@pytest.mark.parametrize("how", ["reset", "leave"])
async def test_a_reset_is_told_from_a_leave(how: Cut) -> None:
    ended = asyncio.Event()
    seen: list[bytes | str] = []

    async def serve(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.read())
        except ConnectionResetError:
            seen.append("reset")
        ended.set()

    async with serving(serve) as port:
        wanted = {"host": "127.0.0.1", "port": port, "at_once": 1, "seconds": LONGEST_S}
        await wire.run(wanted, packed([Case(1, 2, "cut", Script((b"GET", 0.05, how)))]))
        await asyncio.wait_for(ended.wait(), 20)
    assert seen == [{"reset": "reset", "leave": b"GET"}[how]]


async def test_the_program_answers_for_each_line() -> None:
    async with serving(saying(OK)) as port:
        wanted = json.dumps({"host": "127.0.0.1", "port": port, "at_once": 2, "seconds": 5})
        program = await asyncio.create_subprocess_exec(
            sys.executable, wire.__file__, wanted, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        told, _ = await program.communicate(as_lines([GET] * 3).encode())
    assert [Outcome.of(one).got for one in json.loads(told)] == [OK] * 3


def test_a_case_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    first, again, other = ([*cases(ROUTES, seed, 200)] for seed in (1, 1, 2))
    assert first == again
    assert sum(one.script == another.script for one, another in zip(first, other, strict=True)) < 60
    assert {one.kind for one in first} == KINDS.keys()


def test_a_case_is_told_with_what_repeats_it() -> None:
    told = [case.told for case in cases(ROUTES, 7, 500)]
    assert all(f"case 7/{number}:" in text for number, text in enumerate(told))
    assert all(text.replace("\n", "").isprintable() for text in told)


def test_the_token_is_sent_and_never_told() -> None:
    made = [*cases(ROUTES, 7, 500)]
    assert any(
        TOKEN.encode() in zlib.decompress(b64decode(step[-1]))
        for one in packed(made, TOKEN)
        for step in one
        if step[0] == "send"
    )
    assert not any(TOKEN in case.told for case in made)
    assert any("dapr-api-token: $APP_API_TOKEN" in case.told for case in made)


def test_behind_a_prefix_only_health_is_known() -> None:
    passed_on = [*cases(ROUTES, 1, 200, "/invoke")]
    assert {case.kind for case in passed_on if case.script.statuses} == {"health"}
    assert any(b" /invoke/subscribe" in case.sent for case in passed_on)
