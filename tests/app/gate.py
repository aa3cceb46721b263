"""A gate before a TCP server: an address that can be led to another one.

What passed it before can be cut off, also without a word, as by a node that is gone.
"""

import asyncio

from tests.app.listener import close


class Gate:
    """Passes connections on to a server."""

    def __init__(self, server_port: int) -> None:
        self.server_port = server_port
        self.heard: list[bytearray] = []
        """What clients have sent, over each connection."""
        self.said: list[bytearray] = []
        """And what they were answered, up to now."""
        self._passing: set[asyncio.Task[None]] = set()
        self.port = 0
        self.hides_ends = False
        """Whether a connection stays open that the server closes."""

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._writers: list[asyncio.StreamWriter] = []
        self._listener = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and close every connection."""
        self.silence()
        await close(self._listener)
        self.cut()
        await self._listener.wait_closed()

    def silence(self) -> int:
        """Pass nothing more on over the connections there are, and return how many they are; new ones work."""
        count = len(self._passing) // 2
        for task in self._passing:
            task.cancel()
        return count

    def lead_to(self, server_port: int) -> None:
        """Lead new connections to another server; those there are stay where they are."""
        self.server_port = server_port

    def cut(self) -> None:
        """Close the connections there are; new ones work."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _accept(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        except ConnectionError:
            client_writer.close()
            return
        self._writers += [client_writer, server_writer]
        self.heard.append(bytearray())
        self.said.append(bytearray())
        for task in (
            asyncio.create_task(self._pass(client_reader, server_writer, self.heard[-1])),
            asyncio.create_task(self._pass(server_reader, client_writer, self.said[-1])),
        ):
            self._passing.add(task)
            task.add_done_callback(self._passing.discard)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, passed: bytearray) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                passed += data
            if not self.hides_ends:
                writer.write_eof()  # what comes the other way still passes
        except OSError:  # a reset, or the other side is gone already
            if not self.hides_ends:
                writer.close()
