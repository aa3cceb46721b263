"""HTTP as the server parses it: what cannot be parsed never reaches the application, and is a problem all the same."""

from asyncio import TimerHandle, Transport
from http import HTTPStatus

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import problem

KIB = 1024
MAX_HEAD_BYTES = 32 * KIB
"""Of request line and headers together; what is usual is 8 to 64 KiB."""
HEAD_SECONDS = 4.0
"""From the first byte of a request to the end of its headers; clients are promised some answer within 5 s."""
LINGER_SECONDS = 1.0
"""How long a client may go on sending after the last answer: closed while there is something to read, it would be reset
and that answer lost."""


UPGRADING = {b"upgrade", b"connection", b"http2-settings"}


class HeadTooLargeError(Exception):
    """Raised into the parser, which must not go on with the request."""


class Leaving(Transport):
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
    """uvicorn's own, but for the answer to what is no request, the end, and bounds on what comes before a body."""

    _head_bytes: int | None = None
    """What has come of a request whose headers have no end yet."""
    _head_timer: TimerHandle | None = None
    _is_left = False

    def data_received(self, data: bytes) -> None:
        """Parse what has come; a header that has no end yet is known to the parser alone, so it is counted here."""
        if self._is_left:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse_head()

    def _should_upgrade(self) -> bool:
        """Have the parser's callbacks pass over a request that asks for another protocol: it is parsed once more."""
        return True

    def _decline_upgrade(self, rest: bytes) -> None:
        """Parse the request as one that did not ask (RFC 9110, 7.8): the parser would leave its body to others."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self._refuse(405, "request: this is no proxy")
            return
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, self.parser.get_http_version().encode())
        # without Connection nothing of the others counts, but for the wish to close
        closing = any(name == b"connection" and b"close" in value.lower() for name, value in self.headers)
        headers = [*(h for h in self.headers if h[0] not in UPGRADING), *[(b"connection", b"close")] * closing]
        head = b"".join(b"%b: %b\r\n" % header for header in headers)
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(line + head + b"\r\n" + rest)

    def on_message_begin(self) -> None:
        """Expect the head of a request."""
        super().on_message_begin()
        self._head_bytes = 0
        late = f"headers: not complete within {HEAD_SECONDS:g} s"
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._refuse, 408, late)

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        self._end_head()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > MAX_HEAD_BYTES:
            self._refuse_head()
            raise HeadTooLargeError
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = Leaving(self)

    def leave(self) -> None:
        """Close the connection after the last answer: at once, or when a client that is still sending has read it."""
        if self.cycle.more_body and not self.transport.is_closing():
            self._linger()
        else:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Expect nothing more."""
        self._end_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Answer with a problem and close the connection."""
        self._refuse(400, f"request: {msg}")

    def _refuse_head(self) -> None:
        self._refuse(431, f"headers: at most {MAX_HEAD_BYTES // KIB} KiB")

    def _refuse(self, status: int, detail: str) -> None:
        """Answer with a problem, unless another answer is under way, and close the connection."""
        self._end_head()
        if self._is_left:
            return
        under_way = self.cycle if self.cycle is not None and not self.cycle.response_complete else None
        if under_way is None or not under_way.response_started:
            answer = problem(status, detail, {"Connection": "close"})
            line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
            head = b"".join(b"%b: %b\r\n" % header for header in answer.raw_headers)
            self.transport.write(line + head + b"\r\n" + bytes(answer.body))
        if under_way is not None:
            under_way.disconnected = True  # nothing more of it is written
            under_way.message_event.set()
        self._linger()

    def _linger(self) -> None:
        self._is_left = True
        self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)

    def _end_head(self) -> None:
        self._head_bytes = None
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
