"""HTTP as the server parses it: what cannot be parsed never reaches the application, and is a problem all the same."""

import asyncio
from asyncio import TimerHandle
from collections.abc import Awaitable
from http import HTTPStatus
from math import inf

import httptools
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.errors import problem
from app.server import fast_path
from app.server.fast_path import Answer, FastPath
from app.server.limits import KIB, MAX_HEAD_BYTES

HEAD_SECONDS = 4.0
"""From the first byte of a request to the end of its headers; clients are promised some answer within 5 s."""
REST_SECONDS = 4.0
"""How long a body may go on coming that nobody reads: the request was answered without it."""
READ_SECONDS = 10.0
"""How long a client may take to read so much of an answer that there is room for more: it has a place meanwhile."""
LINGER_SECONDS = 1.0
"""How long a client may go on sending after the last answer: closed while there is something to read, it would be reset
and that answer lost."""


UPGRADING = {b"upgrade", b"connection", b"http2-settings"}


class HeadRefusedError(Exception):
    """Raised into the parser, which must not go on with the request."""


class Leaving(asyncio.Transport):
    """What answers are written to: its end is the protocol's to choose."""

    def __init__(self, protocol: "Protocol") -> None:
        super().__init__()
        self._protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Write to the connection."""
        self._protocol.transport.write(data)

    def is_closing(self) -> bool:
        """Tell whether the connection is."""
        return self._protocol.transport.is_closing()

    def close(self) -> None:
        """Leave the connection."""
        self._protocol.leave()


class Protocol(HttpToolsProtocol):
    """uvicorn's own, but for the answer to what is no request, and with bounds on what is no body."""

    _answering: RequestResponseCycle | None = None
    _is_in_body = False
    _steps = 0
    """How often a head, a piece of a body or a request began or ended."""
    _bytes_since_step = 0
    """Of a header that has no end yet, which is known to the parser alone; but for what came together with the step."""
    _refusal: bytes | None = None
    """What is still to be answered, and then nothing more; empty when the answer to it has begun."""
    _is_left = False
    """Whether nothing more is written."""
    _is_between = True
    """Whether the parser is between two requests."""
    _held: bytes | None = None
    """What came while a request is answered on the fast path; None when none is."""
    _answered_at = -inf
    """When the fast path last answered, while nothing else came, in seconds of the loop's clock."""
    _is_ending = False
    """Whether the server ends."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """Close the connection some time if nothing ever comes."""
        super().connection_made(transport)
        self._timers: dict[str, TimerHandle] = {}
        self._close_unless_asked(self.timeout_keep_alive)

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refusal is not None:
            return
        if self._held is not None:
            self._held += data
            self.flow.pause_reading()
            return
        path: FastPath | None = self.app_state.get("fast_path")
        is_free = self._is_between and self._is_answered and not self.flow.write_paused
        if path and is_free and (answering := path.take(data)):
            self._take(path, answering)
            return
        self._unset_keepalive_if_required()
        self._answered_at = -inf
        steps = self._steps
        self._parse(data)
        is_new = self._steps != steps
        self._bytes_since_step = 0 if is_new else self._bytes_since_step + len(data)
        if self._bytes_since_step > MAX_HEAD_BYTES:
            self._refuse_head()
        elif "head" not in self._timers and not self._is_in_body and self._is_answered:
            # blank lines alone may come before a request, and are none
            self._close_unless_asked(self.timeout_keep_alive if is_new else HEAD_SECONDS)

    def _take(self, path: FastPath, answering: Awaitable[Answer]) -> None:
        """Answer a request on the fast path; what comes meanwhile is read when it is answered."""
        self._held = b""
        task = self.loop.create_task(self._answer(path, answering))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _answer(self, path: FastPath, answering: Awaitable[Answer]) -> None:
        try:
            answer = await answering
        except BaseException:
            self.transport.close()
            raise
        held, self._held = self._held, None
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        is_last = self._is_ending or path.is_draining()
        self.transport.write(fast_path.write(answer, self.server_state.default_headers, is_last=is_last))
        if is_last:
            self.transport.close()
            return
        self._answered_at = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._close_unless_asked(self.timeout_keep_alive)
        if held:
            self.flow.resume_reading()
            self.data_received(held)

    def timeout_keep_alive_handler(self) -> None:
        """Close the connection; not so soon after an answer on the fast path, which sets no timer of its own."""
        left = self._answered_at + self.timeout_keep_alive - self.loop.time()
        if self._held is None and left <= 0:
            super().timeout_keep_alive_handler()
        else:
            self._close_unless_asked(self.timeout_keep_alive if left <= 0 else left)

    def shutdown(self) -> None:
        """Close the connection, a request on the fast path first answered."""
        self._is_ending = True
        if self._held is None:
            super().shutdown()

    def _parse(self, data: bytes) -> None:
        pieces = [memoryview(data)]
        while pieces and self._refusal is None:
            piece = pieces.pop()
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                pieces += [piece[upgrade.args[0] :], *self._without_upgrade()]
            except httptools.HttpParserError:
                self.send_400_response("Invalid HTTP request received.")

    def _should_upgrade(self) -> bool:
        """Have the parser's callbacks pass over a request that asks for another protocol: it is parsed once more."""
        return True

    def _without_upgrade(self) -> list[memoryview]:
        """The head as if it did not ask (RFC 9110, 7.8), for a new parser: this one would leave its body to others."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(405, "request: this is no proxy")
            return []
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())
        # without Connection nothing of the others counts, but for the wish to close
        closing = any(name == b"connection" and b"close" in value.lower() for name, value in self.headers)
        headers = [*(h for h in self.headers if h[0] not in UPGRADING), *[(b"connection", b"close")] * closing]
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        return [memoryview(line + head + b"\r\n")]

    def on_message_begin(self) -> None:
        """Expect the head of a request."""
        super().on_message_begin()
        self._is_between = False
        self._steps += 1
        late = f"headers: not complete within {HEAD_SECONDS:g} s"
        self._timers["head"] = self.loop.call_later(HEAD_SECONDS, self._refuse, 408, late)

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        self._end("head")
        self._steps += 1
        hosts = sum(name == b"host" for name, _ in self.headers)
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()
        elif hosts > 1 or (not hosts and self.parser.get_http_version() == "1.1"):
            self._refuse(400, f"Host: expected once, found {hosts} times")  # RFC 9112, 3.2
        if self._refusal is not None:
            raise HeadRefusedError
        super().on_headers_complete()
        if not self.parser.should_upgrade():
            self._is_in_body = True
            self.headers = []  # of what comes now: trailers, which are no headers (RFC 9110, 6.5.1)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._answering = cycle
        cycle.transport = Leaving(self)
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._steps += 1
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next request, unless there is to be none: a trailer may say so, and the parser takes no other."""
        self._steps += 1
        self._end("rest")
        if self._is_in_body and not self.parser.should_keep_alive():
            self.cycle.keep_alive = False
            if self.cycle.response_complete:
                self.transport.close()
        self._is_in_body = False
        self._is_between = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on with the next request, or with what refuses it; a body that is still to come may not take for ever."""
        was_last = not self.pipeline
        super().on_response_complete()
        if not was_last or self._is_left or self.transport.is_closing():
            return
        if self._refusal is not None:
            self._send_refusal()
        elif self._is_in_body:
            self._timers["rest"] = self.loop.call_later(REST_SECONDS, self.transport.close)

    def pause_writing(self) -> None:
        """Wait until the client has read; one that does not is left."""
        super().pause_writing()
        self._timers["read"] = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with the answer."""
        self._end("read")
        super().resume_writing()

    def leave(self) -> None:
        """Close the connection after the last answer: at once, or when a client that is still sending has read it."""
        self.pipeline.clear()
        self._refusal = b""
        if self._is_in_body and not self.transport.is_closing():
            self._send_refusal()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        for name in [*self._timers]:
            self._end(name)
        if self._answering is not None:  # uvicorn tells the newest request alone, which may wait for this one
            self._answering.disconnected = True
            self._answering.message_event.set()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem and close the connection."""
        self._refuse(400, f"request: {msg}")

    @property
    def _is_answered(self) -> bool:
        """Whether no request that is complete waits for its answer."""
        return self.cycle is None or self.cycle.response_complete

    def _close_unless_asked(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _refuse_head(self) -> None:
        self._refuse(431, f"headers: at most {MAX_HEAD_BYTES // KIB} KiB")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with a problem, once what came before is answered, and close the connection."""
        self._end("head")
        if self._refusal is not None or self.transport.is_closing():
            return
        answer = problem(status, detail, {"Connection": "close"})
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        head = b"".join(b"%b: %b\r\n" % header for header in answer.raw_headers)
        self._refusal = line + head + b"\r\n" + bytes(answer.body)
        if self._give_up() if self._is_in_body else self._is_answered:
            self._send_refusal()

    def _give_up(self) -> bool:
        """Answer the request whose body is refused no further; whether everything before it is answered."""
        cycle = self.cycle
        if self.pipeline:  # the newest is to the left
            self.pipeline.popleft()
            return False
        if cycle.response_started:
            self._refusal = b""
        cycle.disconnected = True
        cycle.message_event.set()
        return True

    def _send_refusal(self) -> None:
        self._is_left = True
        self._unset_keepalive_if_required()
        if self._refusal:
            self.transport.write(self._refusal)
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _end(self, timer: str) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()
