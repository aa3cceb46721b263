"""The fast path of deliveries: taken by what daprd sends, and by nothing that the parser would read in another way."""

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from operator import le
from time import monotonic
from typing import ClassVar, cast

import httptools
import pytest
import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from uvicorn.server import ServerState

from acceptance.agent.inputs.wire.verdict import answers
from app.consume.handler import Handler, Status
from app.event.delivery import Delivery
from app.routes.fast import Deliveries
from app.server import fast_path
from app.server.fast_path import FastPath
from app.server.protocol import Protocol
from app.sidecar.guard import Guard
from tests.app.client import APP_TOKEN
from tests.app.waiting import in_time, until

pytestmark = pytest.mark.anyio

BODY = b'{"data_base64":"e30="}'
# as Go's client writes it
USUAL = (
    b"POST /subscribe HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: fasthttp\r\nContent-Length: %d\r\n"
    b"Content-Type: application/cloudevents+json\r\n__topic: agent-events\r\n__partition: 3\r\n__offset: 17\r\n"
    b"__key: M%%C3%%BCller\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
    b"dapr-api-token: %b\r\nAccept-Encoding: gzip\r\n\r\n%b"
)
DELIVERY = USUAL % (len(BODY), APP_TOKEN.encode(), BODY)
PUBLISH = (
    b"POST /publish HTTP/1.1\r\nHost: agent\r\nAccept: */*\r\ncontent-type: application/json\r\n"
    b'Connection: Keep-Alive\r\nContent-Length: 15\r\n\r\n{"message":"m"}'
)
HEALTH = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
LAST = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
PIECES = (
    b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"\0", b"\xff", b"0", b"1", b"x", b"\r\n\r\n", b"\r\nHost: a", b"\r\n ",
    b"\r\nTransfer-Encoding: chunked", b"\r\nContent-Length: 22", b"\r\nConnection: close", b"\r\nExpect: 100-continue",
    b"\r\nUpgrade: h2c", b"\r\nX:", b"\r\n:x", b"\r\nX Y: z", b"+22", b"GET ", b"HTTP/1.0", b"\r\nTE: trailers",
    b"\r\nProxy-Connection: close", b"\r\nConnection: keep-alive",
)  # fmt: skip


class Parsed:
    """What the parser makes of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.url = self.body = b""
        self.messages = 0
        self.parser = httptools.HttpRequestParser(self)
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header."""
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Count a request."""
        self.messages += 1


def changed(seed: int) -> bytes:
    """The usual request with a few bytes cut out, put in, or written in another way."""
    chance = random.Random(seed)  # noqa: S311 - to be played again
    data = chance.choice([DELIVERY, PUBLISH])
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        at = chance.randrange(len(data)) if chance.random() < 0.6 else chance.choice([data.find(b"\r\n", 30), 26])
        cut = chance.choice([0, 0, 0, 1, 2, 9])
        data = data[:at] + chance.choice(PIECES) + data[at + cut :]
    return data


def test_what_is_taken_the_parser_reads_in_the_same_way() -> None:
    taken = 0
    for seed in range(20_000):
        data = changed(seed)
        request = fast_path.read(data)
        if request is None:
            continue
        taken += 1
        parsed = Parsed(data)
        line = (parsed.parser.get_method(), parsed.url, parsed.parser.get_http_version())
        assert line == (b"POST", request.path.encode(), "1.1"), data
        assert (parsed.headers, parsed.body, parsed.messages) == (request.headers, request.body, 1), data
        assert parsed.parser.should_keep_alive(), data
        assert not parsed.parser.should_upgrade(), data
    assert taken > 1000, "so few are taken that little was compared"


def test_what_daprd_sends_is_taken() -> None:
    request = fast_path.read(DELIVERY)
    assert request
    delivery = Delivery.of(request.body, request.headers)
    assert (delivery.topic, delivery.partition, delivery.offset, delivery.record_key) == (
        "agent-events",
        3,
        17,
        "M%C3%BCller",
    )


@pytest.mark.parametrize(
    "data",
    [
        DELIVERY[:-1],
        DELIVERY + b"\r\n",
        DELIVERY + DELIVERY,
        DELIVERY.replace(b"POST", b"PUT"),
        DELIVERY.replace(b"/subscribe ", b"/subscribe?a "),
        DELIVERY.replace(b"HTTP/1.1", b"HTTP/1.0"),
        DELIVERY.replace(b"Host: 127.0.0.1:8000\r\n", b""),
        DELIVERY.replace(b"__topic", b"Host"),
        DELIVERY.replace(b"__topic: agent-events", b"Connection: close"),
        DELIVERY.replace(b"__topic: agent-events", b"Transfer-Encoding: chunked"),
        DELIVERY.replace(b"__topic: agent-events", b"Expect: 100-continue"),
        DELIVERY.replace(b"__topic: agent-events", b"x: " + b"x" * 40_000),
        DELIVERY.replace(b"__topic: agent-events", b"Content-Length: 22"),
        DELIVERY.replace(b"Content-Length: 22", b"Content-Length: +22"),
        DELIVERY.replace(b"Content-Length: 22", b"Content-Length: " + b"0" * 5000 + b"22"),
        DELIVERY.replace(b"__topic: agent-events", b"Proxy-Connection: close"),
        DELIVERY.replace(b"Content-Length: 22", b"Content-Length: 22, 22"),
    ],
)
def test_what_is_unusual_is_left_to_the_parser(data: bytes) -> None:
    assert fast_path.read(data) is None


class Handling:
    """A handler of deliveries that does as it is told."""

    def __init__(self, handle: Callable[[Delivery], Awaitable[Status]]) -> None:
        self.handle = handle


@asynccontextmanager
async def served(
    handle: Callable[[Delivery], Awaitable[Status]], keep_alive: int = 120, *, draining: bool = False
) -> AsyncIterator[tuple[int, set[Protocol]]]:
    """Serve deliveries by this handler, and routes of a small application; port and connections."""
    app = FastAPI()
    app.get("/health")(lambda: {"status": "ok"})
    app.post("/subscribe")(lambda: {"status": "by the route"})
    deliveries = Deliveries(Guard(SecretStr(APP_TOKEN)), cast("Handler", Handling(handle)))
    state = {"fast_path": FastPath({"/subscribe": deliveries}, lambda: draining)}
    config = uvicorn.Config(app, log_config=None, timeout_keep_alive=keep_alive)
    config.load()
    server_state = ServerState()
    made = partial(Noting, config, server_state, state)
    async with await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], cast("set[Protocol]", server_state.connections)


class Noting(Protocol):
    """A connection that knows how much has come."""

    last: ClassVar["Noting | None"] = None
    received = 0

    def data_received(self, data: bytes) -> None:
        """Note what has come, and take it."""
        Noting.last = self
        self.received += len(data)
        super().data_received(data)


async def received() -> float:
    """How many bytes have come over the last connection; over one that is closed no more will."""
    if not Noting.last:
        return 0
    return math.inf if Noting.last.transport.is_closing() else Noting.last.received


async def is_done() -> bool:
    """Whether all that has come over it is answered."""
    return not Noting.last or (not Noting.last.tasks and Noting.last._is_answered)  # noqa: SLF001 -- as the server sees it


async def said(port: int, *pieces: bytes, waits: bool = False) -> list[tuple[int, bytes]]:
    """Status and body of each answer to these bytes, until the connection is closed.

    A piece is sent when those before have come, and where somebody waits for answers, when there are these too.
    """
    Noting.last, sent = None, 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        sent += len(piece)
        await until("it to come", received, partial(le, sent), 2)
        if waits:
            await until("it to be answered", is_done, bool, 2)
        else:
            await asyncio.sleep(0.05)
    async with asyncio.timeout(in_time(10)):
        got = await reader.read()
    writer.close()
    await writer.wait_closed()
    return [(one.status, one.body) for one in answers(got, heads=False)]


async def applied(_: Delivery) -> Status:
    return Status.SUCCESS


def after(going_on: asyncio.Event, status: Status) -> Callable[[Delivery], Awaitable[Status]]:
    """Handle a delivery once it may go on."""

    async def handle(_: Delivery) -> Status:
        await going_on.wait()
        return status

    return handle


SUCCESS, ROUTE, OK = (200, b'{"status":"SUCCESS"}'), (200, b'{"status":"by the route"}'), (200, b'{"status":"ok"}')


@pytest.mark.parametrize(
    ("pieces", "seen"),
    [
        ([DELIVERY, DELIVERY, LAST], [SUCCESS, SUCCESS, OK]),
        ([HEALTH, DELIVERY, HEALTH, DELIVERY, LAST], [OK, SUCCESS, OK, SUCCESS, OK]),
        ([b"\r\n", DELIVERY, LAST], [SUCCESS, OK]),
        ([DELIVERY[:100], DELIVERY[100:], DELIVERY, LAST], [ROUTE, SUCCESS, OK]),
        ([DELIVERY + DELIVERY + LAST], [ROUTE, ROUTE, OK]),
        ([DELIVERY.replace(b"dapr-api-token", b"another"), LAST], [ROUTE, OK]),
        ([DELIVERY.replace(b"__topic", b"dapr-caller-app-id"), LAST], [ROUTE, OK]),
    ],
)
async def test_a_connection_may_take_both_ways(pieces: list[bytes], seen: list[tuple[int, bytes]]) -> None:
    async with served(applied) as (port, _):
        assert await said(port, *pieces, waits=True) == seen


async def test_what_comes_during_a_delivery_is_answered_after_it() -> None:
    going_on = asyncio.Event()
    async with served(after(going_on, Status.RETRY)) as (port, _):
        asked = asyncio.create_task(said(port, DELIVERY, HEALTH, HEALTH + LAST))
        await asyncio.sleep(0.3)
        going_on.set()
        assert await asked == [(200, b'{"status":"RETRY"}'), OK, OK, OK]


async def test_a_server_that_ends_answers_what_it_is_at() -> None:
    going_on = asyncio.Event()
    async with served(after(going_on, Status.SUCCESS)) as (port, connections):
        asked = asyncio.create_task(said(port, DELIVERY))
        (connection,) = await until("the server to wait for it", partial(at_work, connections), bool, 2)
        connection.shutdown()
        going_on.set()
        assert await asked == [SUCCESS]


async def test_a_pod_that_is_to_end_says_so() -> None:
    async with served(applied, draining=True) as (port, _):
        assert await said(port, DELIVERY, DELIVERY) == [SUCCESS]


async def at_work(connections: set[Protocol]) -> list[Protocol]:
    return [one for one in connections if one.tasks]


async def left(connections: set[Protocol]) -> int:
    return len(connections)


async def test_a_sidecar_that_goes_while_its_event_is_handled_is_no_error() -> None:
    handled = asyncio.Event()

    async def slowly(_: Delivery) -> Status:
        await asyncio.sleep(0.2)
        handled.set()
        return Status.SUCCESS

    async with served(slowly) as (port, connections):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(DELIVERY)
        await asyncio.sleep(0.05)
        writer.close()
        await until("the connection to be gone", partial(left, connections), lambda count: count == 0, 5)
        async with asyncio.timeout(5):
            await handled.wait()


async def test_an_idle_connection_is_closed_some_time_after_a_delivery() -> None:
    async with served(applied, keep_alive=1) as (port, _):
        started = monotonic()
        assert await said(port, *[DELIVERY] * 30) == [SUCCESS] * 30
        assert 2.4 < monotonic() - started < in_time(4), "30 deliveries, one each 50 ms, and then 1 s of nothing"
