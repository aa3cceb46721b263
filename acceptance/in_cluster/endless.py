"""Sends headers that have no end, over several connections, as fast as they are taken or one now and then.

Argument, a JSON object: host, port, connections, piece (bytes), pause_s (between pieces), seconds and mib (at most).
Answer, a JSON list of objects, one for each connection: status (0 without an answer), seconds, bytes (sent).
"""

import asyncio
import json
import sys
import time
from typing import Any

MIB = 2**20


async def send(wanted: dict[str, Any]) -> dict[str, float]:
    """What became of one request."""
    began, sent, status = time.monotonic(), 0, 0
    reader, writer = await asyncio.open_connection(wanted["host"], wanted["port"])
    answer = asyncio.create_task(reader.readline())
    try:
        async with asyncio.timeout(wanted["seconds"]):
            writer.write(b"GET / HTTP/1.1\r\nHost: agent\r\nX-Endless: ")
            while not answer.done() and sent < wanted["mib"] * MIB:
                writer.write(b"x" * wanted["piece"])
                sent += wanted["piece"]
                await writer.drain()
                await asyncio.wait([answer], timeout=wanted["pause_s"])
            status = int((await answer).split()[1])
    except (OSError, TimeoutError, IndexError):
        pass
    finally:
        answer.cancel()
        writer.close()
    return {"status": status, "seconds": time.monotonic() - began, "bytes": sent}


async def main(wanted: dict[str, Any]) -> None:
    """Send, and print what became of it."""
    print(json.dumps(await asyncio.gather(*(send(wanted) for _ in range(wanted["connections"])))))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
