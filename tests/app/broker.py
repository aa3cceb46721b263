"""A stand-in for Kafka: it speaks just enough of the protocol to be asked for its topics."""

import asyncio
import struct
from contextlib import suppress

from aiokafka.protocol.admin import ApiVersionResponse_v0  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.metadata import MetadataResponse_v0  # type: ignore[import-untyped]  # it ships no types

from app.dapr import DEAD_LETTER_TOPIC, TOPIC

METADATA, API_VERSIONS = 3, 18


class StandInBroker:
    """One broker with a list of topics; it can be frozen, stopped and started again on its port."""

    def __init__(self) -> None:
        self.port = 0
        self.topics = [TOPIC, DEAD_LETTER_TOPIC]
        self.frozen = False

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._connections: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and cut those there are."""
        self._server.close()
        for connection in self._connections:
            connection.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                api, _, correlation = struct.unpack(">hhi", (await reader.readexactly(size))[:8])
                if not self.frozen:
                    message = struct.pack(">i", correlation) + self._answer(api)
                    writer.write(struct.pack(">i", len(message)) + message)
        self._connections.discard(writer)
        writer.close()

    def _answer(self, api: int) -> bytes:
        if api == API_VERSIONS:
            answer = ApiVersionResponse_v0(0, [(METADATA, 0, 0), (API_VERSIONS, 0, 0)])
        else:
            answer = MetadataResponse_v0([(1, "127.0.0.1", self.port)], [(0, topic, []) for topic in self.topics])
        encoded: bytes = answer.encode()
        return encoded
