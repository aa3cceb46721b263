"""Plays connections step by step, several at once, and tells what came over each and how it ended.

Argument, a JSON object: host, port, at_once, seconds (longest wait for an answer or an end). On stdin a JSON list of
steps a line: ["send", bytes], ["pause", seconds], ["shut"] (nothing more is sent), ["reset"], ["leave"].
A connection that is kept once its steps were answered is asked to be closed, by a request more: so each is seen to end.
Answer, a JSON list of objects: got (bytes), end (closed, reset, left, late, refused), seconds (the longest from a last
byte that was sent to an answer or the end). Bytes are base64 of zlib.
"""

import asyncio
import json
import socket
import struct
import sys
import time
import zlib
from base64 import b64decode, b64encode
from contextlib import suppress
from typing import Any

LAST = b"GET /health HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n"
LASTS = 3
QUIET_S, UNHEARD_S = 0.2, 1.0
RESET = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """One connection, and all that is seen of it."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.end = ""
        self.seconds = 0.0
        self.gone = asyncio.Event()
        self._sent = time.monotonic()
        self._is_heard = True
        self._asked = 0.0
        self._ended, self._writable = asyncio.Event(), asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count nothing as sent before the system has taken all of it."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.set_write_buffer_limits(0)

    def pause_writing(self) -> None:
        """Wait until what was sent is taken."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Wait no more."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._hear()
        self.got += data

    def eof_received(self) -> None:
        """End: the other side has said all."""
        self._finish("closed")

    def connection_lost(self, exc: Exception | None) -> None:
        """End, by whomever."""
        self._finish("reset" if exc else "closed")
        self.gone.set()

    async def play(self, steps: list[list[Any]], seconds: float) -> None:
        """Take one step after the other, and wait for the end."""
        asks = LASTS
        for action, *values in steps:
            if self.end:
                break
            if action == "send":
                await self._send(zlib.decompress(b64decode(values[0])), seconds)
            elif action == "pause":
                await asyncio.sleep(values[0])
            elif action == "shut":
                self.transport.write_eof()
                asks = 0
            else:
                self._leave(with_reset=action == "reset")
        await self._until_end(seconds, asks)

    async def _send(self, piece: bytes, seconds: float) -> None:
        self.transport.write(piece)
        try:
            async with asyncio.timeout(seconds):
                await self._writable.wait()
        except TimeoutError:
            self._finish("late")
        self._sent, self._is_heard = time.monotonic(), False

    async def _ask(self, seconds: float) -> None:
        """Ask for the end; what was not heard since the last byte stays to be waited for from then on."""
        sent, was_heard = self._sent, self._is_heard
        await self._send(LAST, seconds)
        self._asked = time.monotonic()
        if not was_heard and not self.end:
            self._sent = sent

    def _leave(self, *, with_reset: bool) -> None:
        self._finish("left")
        if with_reset:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        self.transport.close()

    async def _until_end(self, seconds: float, asks: int) -> None:
        while not self.end:
            seen = len(self.got)
            with suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S):
                    await self._ended.wait()
            if self.end or len(self.got) != seen:
                continue
            # what was sent last may be a part of what is answered already, and so may be what asks for the end
            if self.got and asks and (self._is_heard or time.monotonic() - self._asked > UNHEARD_S):
                asks -= 1
                await self._ask(seconds)
            elif time.monotonic() - self._sent > seconds:
                self._finish("late")

    def _hear(self) -> None:
        if not self._is_heard:
            self.seconds = max(self.seconds, time.monotonic() - self._sent)
            self._is_heard = True

    def _finish(self, end: str) -> None:
        if not self.end:
            self._hear()
            self.end = end
        self._ended.set()
        self._writable.set()


async def play(wanted: dict[str, Any], steps: list[list[Any]]) -> dict[str, Any]:
    """What came of one connection."""
    loop, seconds = asyncio.get_running_loop(), wanted["seconds"]
    try:
        async with asyncio.timeout(seconds):
            transport, one = await loop.create_connection(Connection, wanted["host"], wanted["port"])
    except (OSError, TimeoutError):
        return {"got": packed(b""), "end": "refused", "seconds": 0.0}
    await one.play(steps, seconds)
    if not one.gone.is_set():  # asyncio fails on one that is gone after it was closed with bytes still to be sent
        transport.abort()
    await one.gone.wait()
    return {"got": packed(bytes(one.got)), "end": one.end, "seconds": one.seconds}


def packed(got: bytes) -> str:
    """Bytes as text."""
    return b64encode(zlib.compress(got)).decode()


async def run(wanted: dict[str, Any], cases: list[list[list[Any]]]) -> list[dict[str, Any]]:
    """What came of every connection, so many at once."""
    places = asyncio.Semaphore(wanted["at_once"])

    async def one(steps: list[list[Any]]) -> dict[str, Any]:
        async with places:
            return await play(wanted, steps)

    return await asyncio.gather(*map(one, cases))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1]), [json.loads(line) for line in sys.stdin]))))
