"""Sends one request over each of many connections at the same time, and tells how each was answered.

Argument, a JSON object: host, port, path, connections, seconds (longest wait for an answer).
Answer, a JSON object: statuses (how often each, 0 without an answer), slowest_s.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from typing import Any


async def ask(wanted: dict[str, Any]) -> tuple[int, float]:
    """The status of an answer, 0 without one, and the seconds that it took."""
    began, status = time.monotonic(), 0
    try:
        async with asyncio.timeout(wanted["seconds"]):
            reader, writer = await asyncio.open_connection(wanted["host"], wanted["port"])
            writer.write(f"GET {wanted['path']} HTTP/1.1\r\nHost: agent\r\nConnection: close\r\n\r\n".encode())
            status = int((await reader.readline()).split()[1])
            await reader.read()
            writer.close()
    except (OSError, TimeoutError, IndexError):
        pass
    return status, time.monotonic() - began


async def main(wanted: dict[str, Any]) -> None:
    """Ask, and print what was answered."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    answers = await asyncio.gather(*(ask(wanted) for _ in range(wanted["connections"])))
    statuses = Counter(status for status, _ in answers)
    print(json.dumps({"statuses": statuses, "slowest_s": max(seconds for _, seconds in answers)}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
