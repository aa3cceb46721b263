"""How long a service goes on serving after SIGTERM."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import httpx
import pytest
from fastapi import FastAPI

from app.server.drain import until_quiet
from tests.app.postgres import free_port
from tests.app.test_service import ENVIRONMENT, run
from tests.app.waiting import until

pytestmark = pytest.mark.anyio

QUIET_S = 1.0
APART_S = 0.05


async def status(port: str, path: str) -> int:
    """Ask over a new connection, as whoever a Service sends here does; 0 when nobody listens."""
    async with httpx.AsyncClient(verify=False, trust_env=False) as client:  # noqa: S501 - over HTTP, and much faster made
        try:
            return (await client.get(f"http://127.0.0.1:{port}{path}")).status_code
        except httpx.TransportError:
            return 0


@asynccontextmanager
async def draining(longest_seconds: float) -> AsyncIterator[str]:
    """Run the caller, tell it to end, and lend its port."""
    port = str(free_port())
    longest = f"{longest_seconds:g}"
    process = run("caller", **ENVIRONMENT, APP_PORT=port, DRAIN_SECONDS=f"{QUIET_S:g}", LONGEST_DRAIN_SECONDS=longest)
    try:
        await until("/health to answer", lambda: status(port, "/health"), lambda code: code == 200, 20)
        process.send_signal(signal.SIGTERM)
        yield port
        assert process.wait(timeout=10) == -signal.SIGTERM
    finally:
        process.kill()
        process.communicate()


async def test_whoever_still_comes_is_served() -> None:
    async with draining(longest_seconds=20) as port:
        began = monotonic()
        while monotonic() - began < 4 * QUIET_S:
            assert await status(port, "/nowhere") == 404, f"{monotonic() - began:.1f} s after SIGTERM"
            await asyncio.sleep(APART_S)


@pytest.mark.parametrize(("path", "longest_seconds"), [("/nowhere", 1), ("/health", 20), ("/subscribe", 20)])
async def test_neither_a_client_that_never_leaves_nor_its_own_pod_keeps_it_from_ending(
    path: str, longest_seconds: float
) -> None:
    async with draining(longest_seconds) as port:

        async def ask() -> int:
            return await status(port, path)

        await until("nobody to listen", ask, lambda code: code == 0, within_seconds=5)


async def test_a_loop_that_was_held_up_reads_what_has_come_before_it_calls_that_quiet() -> None:
    app = FastAPI()
    app.state.requests = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        app.state.requests += 1
        writer.close()

    async with await asyncio.start_server(accept, "127.0.0.1", port := free_port()):
        drained = asyncio.create_task(until_quiet(app, QUIET_S, 20))
        await asyncio.sleep(0)
        connected = asyncio.create_task(asyncio.open_connection("127.0.0.1", port))
        await asyncio.sleep(APART_S)
        _, writer = await connected
        writer.write(b"a request\n")
        time.sleep(2 * QUIET_S)  # noqa: ASYNC251 - this is what holds the loop up
        began = monotonic()
        await drained
        writer.close()
        await writer.wait_closed()
    assert app.state.requests == 1
    assert monotonic() - began > 0.9 * QUIET_S, "expected it to count from what came last"
