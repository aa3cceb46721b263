"""Sends requests at a steady rate whatever becomes of them, until stdin is closed; then it ends what it has begun.

One JSON line per request: its state is the status, with `closing` behind it when the server ends a connection that was
to be kept, or the error. A stream with clients sends writes, each under an id of its own, with two lines: `invoked`,
then `acknowledged` (2xx), `failed` (refused by a 4xx) or `unknown`. While a write is unknown its client tries again.

Argument, a JSON object: seconds (at most), timeout_s, and streams, a list of
{name, method, url, json, headers, per_second, keep, clients, key}.
`keep` says whether a stream keeps its connections or opens a new one for each request.
"""

import asyncio
import json
import os
import sys
import time
from itertools import count
from threading import Thread
from typing import Any

import aiohttp

ATTEMPTS = 10
PROBLEM = "application/problem+json"
LONGEST_PAUSE_S = 8.0


def tell(stream: dict[str, Any], at: float, state: str, detail: str, since: float) -> None:
    """Print one line; `ms` counts since another moment."""
    ms = round((time.monotonic() - since) * 1000, 1)
    print(json.dumps({"at": at, "name": stream["name"], "state": state, "ms": ms, "detail": detail}), flush=True)


async def ask(
    session: aiohttp.ClientSession, stream: dict[str, Any], body: Any, headers: dict[str, str]
) -> tuple[str, str, float]:
    """State and text of an answer, and how many seconds it asks to wait."""
    try:
        async with session.request(stream["method"], stream["url"], json=body, headers=headers) as answer:
            text = (await answer.read()).decode(errors="replace")
            if answer.status >= 400 and answer.content_type != PROBLEM:
                # a Service without endpoints lets packets out of the cluster, and whoever is there may answer
                return f"not the agent: {answer.status}", text, 0.0
            closing = stream["keep"] and answer.headers.get("Connection") == "close"
            wait_s = float(answer.headers.get("Retry-After", 0))
            return f"{answer.status} closing" if closing else str(answer.status), text, wait_s
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return type(error).__name__, str(error), 0.0


async def request(session: aiohttp.ClientSession, stream: dict[str, Any], _number: int) -> None:
    """One request, and what became of it."""
    asked = time.monotonic()
    state, text, _ = await ask(session, stream, stream.get("json"), stream.get("headers", {}))
    tell(stream, asked, state, text[:300], asked)


async def write(session: aiohttp.ClientSession, stream: dict[str, Any], number: int) -> None:
    """One write of the next client; the same id again while nobody knows what became of it."""
    sequence, client = divmod(number, stream["clients"])
    key = f"{stream['key']}-{client}"
    record = {"id": f"{key}-{sequence}", "client": client, "key": key, "sequence": sequence}
    event = {"message": f"event {sequence}", "metadata": {"key": key, "amount": sequence}}
    headers = {**stream.get("headers", {}), "Idempotency-Key": record["id"]}
    invoked = time.monotonic()
    tell(stream, invoked, "invoked", json.dumps(record), invoked)
    answers: list[str] = []
    while not answers or (answers[-1][0] not in "24" and len(answers) < ATTEMPTS):
        state, _, wait_s = await ask(session, stream, event, headers)
        answers.append(state)
        if state[0] not in "24":
            await asyncio.sleep(wait_s + min(2.0 ** (len(answers) - 1), LONGEST_PAUSE_S))
    tell(stream, time.monotonic(), outcome(answers), json.dumps({"id": record["id"], "answers": answers}), invoked)


def outcome(answers: list[str]) -> str:
    """What a client knows after its attempts; a refusal says nothing about an attempt before it."""
    if answers[-1].startswith("2"):
        return "acknowledged"
    return "failed" if answers[0].startswith("4") else "unknown"


async def repeat(stream: dict[str, Any], timeout_s: float, ending: asyncio.Event) -> None:
    """Keep the beat: each request is a task of its own, so that a slow answer delays no other."""
    act = write if stream.get("clients") else request
    connector = aiohttp.TCPConnector(limit=0, force_close=not stream["keep"])
    timeout = aiohttp.ClientTimeout(total=timeout_s)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session, asyncio.TaskGroup() as tasks:
        due = time.monotonic()
        for number in count():
            if ending.is_set():
                break
            tasks.create_task(act(session, stream, number))
            due += 1 / stream["per_second"]
            await asyncio.sleep(due - time.monotonic())


async def main() -> None:
    """Send until stdin is closed or the stated seconds are over, or until nobody listens any more."""
    wanted = json.loads(sys.argv[1])
    print(json.dumps({"clock": time.monotonic()}), flush=True)
    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        while os.read(sys.stdin.fileno(), 1024):
            pass
        loop.call_soon_threadsafe(ending.set)

    Thread(target=listen, daemon=True).start()
    loop.call_later(wanted["seconds"], ending.set)
    async with asyncio.TaskGroup() as tasks:
        for stream in wanted["streams"]:
            tasks.create_task(repeat(stream, wanted["timeout_s"], ending))


if __name__ == "__main__":
    asyncio.run(main())
