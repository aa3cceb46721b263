"""What the server makes of requests that are not HTTP, or want to leave it."""

import asyncio
import json
import socket
from collections.abc import Iterator
from functools import partial
from time import monotonic

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from acceptance.agent.inputs.forgery import Way
from acceptance.agent.inputs.wire.verdict import answers
from acceptance.in_cluster import forge
from app.server.protocol import Protocol
from tests.app.served import Served, served
from tests.app.test_service import ENVIRONMENT
from tests.app.waiting import in_time, until

pytestmark = pytest.mark.anyio

FIVE_S = 5
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
CLOSED = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n"
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
CLOSING = H2C.replace(b"Upgrade,", b"close, Upgrade,")
LENGTH = b'Content-Length: 11\r\n\r\n{"key":"k"}'
CHUNKED = b'Transfer-Encoding: chunked\r\n\r\n4\r\n{"ke\r\n7\r\ny":"k"}\r\n0\r\n\r\n'


TOKEN = b"dapr-api-token: %b\r\n" % ENVIRONMENT["APP_API_TOKEN"].encode()


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An agent that runs as in its container, without any dependency."""
    settings = {"DAPR_HTTP_PORT": "1", "DRAIN_SECONDS": "0", "BODY_TIMEOUT_SECONDS": "0.5"}
    with served(tmp_path_factory.mktemp("agent"), **ENVIRONMENT | settings) as agent:
        yield agent


@pytest.fixture(scope="module")
def port(agent: Served) -> int:
    """The port of that agent."""
    return agent.port


async def exchange(port: int, request: bytes, host: str = "127.0.0.1") -> tuple[bytes, bytes]:
    """Head and body of the answer to these bytes; empty while nobody listens."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return b"", b""
    writer.write(request)
    async with asyncio.timeout(10):
        head = await reader.readuntil(b"\r\n\r\n")
        body = await reader.read(65536)
    writer.close()
    await writer.wait_closed()
    return head, body


async def answer_to(port: int, request: bytes) -> tuple[bytes, bytes]:
    return await until("an answer", lambda: exchange(port, request), lambda answer: bool(answer[0]), 20)


@pytest.mark.parametrize(
    "request_",
    [
        b"nonsense\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX-Bad: a\0b\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX Bad: a\r\n\r\n",
        b"POST /state HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /state HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
    ],
    ids=["not HTTP", "NUL in a header", "space in a name", "negative length", "bad chunk"],
)
async def test_what_is_not_http_is_a_problem(port: int, request_: bytes) -> None:
    head, body = await answer_to(port, request_)
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["status"] == 400


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /health HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 40_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 5_000_000,
        b"GET /health HTTP/1.1\r\nHost: a\r\n" + b"a: b\r\n" * 500_000,
        b"GET /health?" + b"x" * 5_000_000,
    ],
    ids=["long", "without end", "many", "path without end"],
)
async def test_headers_beyond_their_bound_are_a_431(port: int, request_: bytes) -> None:
    head, body = await answer_to(port, request_)
    assert head.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert json.loads(body)["detail"] == "headers: at most 32 KiB"


async def test_headers_within_their_bound_are_taken(port: int) -> None:
    head, _ = await answer_to(port, b"GET /health HTTP/1.1\r\nHost: a\r\nX-Long: " + b"x" * 32_000 + b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("request_", [b"G", b"GET /health HTTP/1.1\r\nHost: a\r\n"], ids=["a letter", "a header"])
async def test_headers_that_do_not_end_in_time_are_a_408(port: int, request_: bytes) -> None:
    head, body = await answer_to(port, request_)
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert json.loads(body)["detail"] == "headers: not complete within 4 s"


async def test_a_request_to_upgrade_is_answered_as_any_other(port: int) -> None:
    head, body = await answer_to(port, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n" + UPGRADE + b"\r\n")
    assert head.startswith(b"HTTP/1.1 404 Not Found\r\n")
    assert json.loads(body)["status"] == 404


@pytest.mark.parametrize("upgrade", [UPGRADE, H2C, CLOSING], ids=["websocket", "h2c", "h2c, and close"])
@pytest.mark.parametrize("body", [LENGTH, CHUNKED], ids=["length", "chunked"])
async def test_a_request_to_upgrade_keeps_its_body(port: int, upgrade: bytes, body: bytes) -> None:
    request = b"POST /state HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n" + upgrade + body
    _, answer = await answer_to(port, request)
    assert json.loads(answer)["detail"] == "value: Field required"


async def test_a_connection_goes_on_after_a_request_to_upgrade(port: int) -> None:
    await answer_to(port, HEALTH)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(5):
        for _ in range(3):
            writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n" + H2C + b"\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"{")
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n" + CLOSING + b"\r\n")
        assert b"\r\nconnection: close\r\n" in (await reader.read()).lower(), "expected it to be closed as asked"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("version", [b"HTTP/1.0", b"HTTP/1.1\r\nHost: a\r\nConnection: close"], ids=["1.0", "close"])
@pytest.mark.parametrize("path", [b"/nowhere", b"/publish"], ids=["not read", "read in part"])
async def test_the_last_answer_reaches_a_client_that_is_still_sending(port: int, version: bytes, path: bytes) -> None:
    await answer_to(port, b"GET /health HTTP/1.0\r\n\r\n")
    length = 5_000_000
    head, body = await exchange(
        port, b"POST %b %b\r\nContent-Length: %d\r\n\r\n" % (path, version, length) + bytes(length)
    )
    assert head.startswith(b"HTTP/1.1 404 " if path == b"/nowhere" else b"HTTP/1.1 413 ")
    assert json.loads(body)["status"] in {404, 413}


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"], ids=["none", "two"])
async def test_a_request_that_names_no_host_or_two_is_refused(port: int, hosts: bytes) -> None:
    head, body = await answer_to(port, b"GET /health HTTP/1.1\r\n" + hosts + b"\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["detail"].startswith("Host: expected once")


async def test_a_client_that_reads_nothing_keeps_its_place_for_no_longer_than_10_s(port: int) -> None:
    await answer_to(port, HEALTH)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.settimeout(0)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", port))
    page = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: a\r\n\r\n"
    await loop.sock_sendall(deaf, page * 10)

    async def is_cut() -> bool:
        try:
            await loop.sock_sendall(deaf, b"\r\n")
        except ConnectionError:
            return True
        return False

    await until("the connection to be cut", is_cut, bool, 30)
    deaf.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_both_address_families_are_served(port: int, host: str) -> None:
    await answer_to(port, HEALTH)
    head, _ = await exchange(port, HEALTH, host)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")


async def test_no_tunnel_is_made(port: int) -> None:
    head, _ = await answer_to(port, b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")


@pytest.mark.parametrize("body", [b"", b"{"], ids=["no byte", "one byte"])
async def test_a_body_that_is_cut_short_is_a_problem_in_time(port: int, body: bytes) -> None:
    head, answer = await answer_to(port, b"POST /state HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n" + body)
    assert head.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
    assert b"content-type: application/problem+json" in head.lower()
    assert b"connection: close" in head.lower()
    assert json.loads(answer)["detail"] == "body: not complete within 0.5 s"


@pytest.mark.parametrize("route", [b"/subscribe", b"/dead-letters"])
async def test_a_delivery_that_is_cut_short_is_wanted_again(port: int, route: bytes) -> None:
    request = b"POST " + route + b" HTTP/1.1\r\nHost: a\r\n" + TOKEN + b"Content-Length: 2\r\n\r\n{"
    head, answer = await answer_to(port, request)
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert json.loads(answer) == {"status": "RETRY"}


async def all_of(port: int, *pieces: bytes, pause_s: float = 0.1) -> list[int]:
    """The statuses of all that is answered to these bytes until the connection is closed, or 20 s are over."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await asyncio.sleep(pause_s)
    async with asyncio.timeout(20):
        got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return [one.status for one in answers(got, heads=False)]


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (b"junk\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"G", 408),
    ],
)
async def test_what_came_before_a_request_that_is_refused_is_answered_before_it(
    port: int, bad: bytes, status: int
) -> None:
    await answer_to(port, HEALTH)
    assert await all_of(port, HEALTH * 3 + bad) == [200, 200, 200, status]


async def test_a_body_that_is_broken_is_refused_once_what_came_before_is_answered(port: int) -> None:
    await answer_to(port, HEALTH)
    broken = b"POST /state HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"
    assert await all_of(port, broken) == [400]
    assert await all_of(port, HEALTH * 3 + broken) == [200, 200, 200, 400]


async def test_a_body_that_is_broken_once_it_was_answered_is_answered_once(port: int) -> None:
    await answer_to(port, HEALTH)
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await all_of(port, head, b"nonsense\r\n") == [404]


async def test_a_body_that_nobody_reads_has_to_end_in_time(port: int) -> None:
    await answer_to(port, HEALTH)
    began = monotonic()
    assert await all_of(port, b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{") == [404]
    assert monotonic() - began < in_time(FIVE_S)


async def test_a_connection_is_kept_when_a_body_that_nobody_reads_ends(port: int) -> None:
    await answer_to(port, HEALTH)
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n"
    assert await all_of(port, head, b"{}", CLOSED) == [404, 200]


async def test_blank_lines_alone_are_not_waited_for(port: int) -> None:
    await answer_to(port, HEALTH)
    began = monotonic()
    assert await all_of(port, b"\r\n\r\n") == []
    assert monotonic() - began < in_time(FIVE_S)
    assert await all_of(port, b"\r\n\r\n", CLOSED) == [200]


async def test_a_connection_on_which_nothing_comes_is_closed_some_time() -> None:
    config = uvicorn.Config(FastAPI(), timeout_keep_alive=1, log_config=None)
    made = partial(Protocol, config, ServerState(), {})
    async with await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0) as server:
        assert await all_of(server.sockets[0].getsockname()[1]) == []


async def test_an_answer_that_breaks_off_ends_the_connection_of_who_is_still_sending() -> None:
    async def broken(scope: Scope, _: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            raise ValueError

    made = partial(Protocol, uvicorn.Config(broken, log_config=None, lifespan="off"), ServerState(), {})
    async with await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()
        await writer.wait_closed()


async def test_many_requests_to_upgrade_at_once_are_answered(port: int) -> None:
    await answer_to(port, HEALTH)
    asking = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
    assert await all_of(port, asking * 2000 + CLOSED) == [200] * 2001


async def test_a_large_body_is_not_taken_for_a_part_of_the_next_head(port: int) -> None:
    await answer_to(port, HEALTH)
    large = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
    assert await all_of(port, large + CLOSED[:20], CLOSED[20:]) == [404, 200]


async def test_a_trailer_is_no_header(port: int) -> None:
    await answer_to(port, HEALTH)
    head = b"POST /publish HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b'f\r\n{"message":"m"}\r\n0\r\nIdempotency-Key: a b\r\n\r\n'
    assert await all_of(port, head + body + CLOSED) == [503, 200]


async def test_a_trailer_that_says_close_is_the_end(port: int) -> None:
    await answer_to(port, HEALTH)
    head = b"POST /nowhere HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"2\r\n{}\r\n0\r\nConnection: close\r\n\r\n"
    assert await all_of(port, head + body) == [404]
    assert await all_of(port, head, body) == [404]


@pytest.mark.parametrize("more", [b"a: b\r\n", b"x"], ids=["many", "one without end"])
async def test_trailers_beyond_their_bound_are_a_431(port: int, more: bytes) -> None:
    await answer_to(port, HEALTH)
    head = b"POST /state HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\na: "
    assert await all_of(port, head, *[more * 30_000] * 3) == [431]


@pytest.mark.parametrize("path", [b"/state", b"/subscribe", b"/dead-letters"])
@pytest.mark.parametrize("rest", [b"", b"nonsense\r\n"], ids=["cut off", "broken"])
async def test_a_body_without_its_end_is_no_error_in_the_log(agent: Served, path: bytes, rest: bytes) -> None:
    await answer_to(agent.port, HEALTH)
    _, writer = await asyncio.open_connection("127.0.0.1", agent.port)
    head = b"POST %b HTTP/1.1\r\nHost: a\r\n%bTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n" % (path, TOKEN)
    writer.write(head)
    await asyncio.sleep(0.1)
    writer.write(rest)
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(0.2)
    assert [*agent.errors()] == []


async def test_who_goes_while_many_requests_wait_is_no_error_in_the_log(agent: Served) -> None:
    await answer_to(agent.port, HEALTH)
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", agent.port)
        writer.write(HEALTH * 1000)
        await asyncio.sleep(0.01)
        writer.transport.abort()
    await asyncio.sleep(0.2)
    assert [*agent.errors()] == []


async def test_no_way_to_write_a_path_gets_a_forged_event_past_the_guard(port: int) -> None:
    await answer_to(port, b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    way = Way("outside", f"127.0.0.1:{port}")
    answers = {one["path"]: await asyncio.to_thread(forge.status_of, one) for one in way.requests("1", "k")}
    assert {path: status for path, status in answers.items() if status not in {400, 401, 404, 405}} == {}
    assert answers["/subscribe"] == answers["/dead-letters"] == answers["/subscribe%0A"] == 401
