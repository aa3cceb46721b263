"""Asks HTTP paths and backends the same question several times a second; one JSON line per answer.

Argument, a JSON object: http {name: url}, backends {name: [host, port, hello in hex, size and pattern of the answer]},
interval_s, timeout_s, seconds.
A backend is `answers` only when it says something to its protocol's hello: a frozen one still accepts connections.
"""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Coroutine
from functools import partial
from threading import Thread
from urllib.parse import urlsplit

Answer = Coroutine[None, None, tuple[str, str]]


async def exchange(host: str, port: int, request: bytes, limit: int) -> bytes:
    """What comes back on a new connection, until the other side closes it or `limit` bytes are there."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        answer = b""
        while len(answer) < limit and (part := await reader.read(limit)):
            answer += part
        return answer
    finally:
        writer.transport.abort()


async def ask_http(url: str) -> tuple[str, str]:
    """Status code and body of a GET on a new connection."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n".encode()
    head, _, body = (await exchange(parts.hostname or "", parts.port or 80, request, 65536)).partition(b"\r\n\r\n")
    return head.split(b" ")[1].decode(), body.decode(errors="replace")


async def ask_backend(host: str, port: int, hello: str, size: int, pattern: str) -> tuple[str, str]:
    """`answers` when the hello gets this protocol's answer, `closed` when nothing comes, `foreign` when another does.

    Where a Service has just lost or got its endpoint, a packet may find its way to whoever is outside the cluster.
    """
    answer = (await exchange(host, port, bytes.fromhex(hello), size)).decode("latin-1")
    if re.fullmatch(pattern, answer):
        return "answers", ""
    return ("foreign" if answer else "closed"), repr(answer)


async def repeat(name: str, ask: Callable[[], Answer], interval_s: float, timeout_s: float) -> None:
    """Ask on a fixed beat, each question in a task of its own so that a slow answer delays no other."""

    async def once() -> None:
        asked = time.monotonic()
        try:
            state, detail = await asyncio.wait_for(ask(), timeout_s)
        except TimeoutError:
            state, detail = "silent", f"no answer within {timeout_s} s"
        except (OSError, IndexError) as error:
            state, detail = "refused", f"{type(error).__name__}: {error}"
        line = {"at": asked, "name": name, "state": state, "ms": round((time.monotonic() - asked) * 1000, 1)}
        print(json.dumps({**line, "detail": detail[:4000]}), flush=True)

    async with asyncio.TaskGroup() as tasks:
        due = time.monotonic()
        while True:
            tasks.create_task(once())
            due += interval_s
            await asyncio.sleep(due - time.monotonic())


def end_with_stdin() -> None:
    """End once stdin is closed: nobody listens any more, and writing to nobody is no error inside a pod."""
    sys.stdin.read()
    os._exit(0)


async def main() -> None:
    """Ask until the stated seconds are over, or until stdin is closed."""
    wanted = json.loads(sys.argv[1])
    Thread(target=end_with_stdin, daemon=True).start()
    print(json.dumps({"clock": time.monotonic()}), flush=True)
    beat = (wanted["interval_s"], wanted["timeout_s"])
    async with asyncio.timeout(wanted["seconds"]), asyncio.TaskGroup() as tasks:
        for name, url in wanted["http"].items():
            tasks.create_task(repeat(name, partial(ask_http, url), *beat))
        for name, backend in wanted["backends"].items():
            tasks.create_task(repeat(name, partial(ask_backend, *backend), *beat))


if __name__ == "__main__":
    asyncio.run(main())
