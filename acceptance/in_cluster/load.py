"""Sends requests at a steady rate whatever becomes of them; one JSON line per request.

The state of an answer is its status, and `closing` behind it when the server ends a connection that was to be kept.

Argument, a JSON object: seconds, timeout_s, and streams, a list of {name, method, url, json, per_second, keep}.
`keep` says whether a stream keeps its connections or opens a new one for each request.
"""

import asyncio
import json
import sys
import time
from typing import Any

import aiohttp


async def once(session: aiohttp.ClientSession, stream: dict[str, Any]) -> None:
    """One request, and what became of it."""
    asked = time.monotonic()
    try:
        async with session.request(stream["method"], stream["url"], json=stream.get("json")) as answer:
            detail = (await answer.read()).decode(errors="replace")
            closing = stream["keep"] and answer.headers.get("Connection") == "close"
            state = f"{answer.status} closing" if closing else str(answer.status)
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        state, detail = type(error).__name__, str(error)
    line = {"at": asked, "name": stream["name"], "state": state, "ms": round((time.monotonic() - asked) * 1000, 1)}
    print(json.dumps({**line, "detail": detail[:300]}), flush=True)


async def repeat(stream: dict[str, Any], timeout_s: float) -> None:
    """Keep the beat: each request is a task of its own, so that a slow answer delays no other."""
    connector = aiohttp.TCPConnector(limit=0, force_close=not stream["keep"])
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        due = time.monotonic()
        while True:
            tasks.create_task(once(session, stream))
            due += 1 / stream["per_second"]
            await asyncio.sleep(due - time.monotonic())


async def main() -> None:
    """Send until the stated seconds are over, or until nobody listens any more."""
    wanted = json.loads(sys.argv[1])
    print(json.dumps({"clock": time.monotonic()}), flush=True)
    async with asyncio.timeout(wanted["seconds"]), asyncio.TaskGroup() as tasks:
        for stream in wanted["streams"]:
            tasks.create_task(repeat(stream, wanted["timeout_s"]))


if __name__ == "__main__":
    asyncio.run(main())
