"""`python -m benchmarks.cpu`: CPU per event of the handler and of the publish route, beside other ways to do it.

Each variant is a server process of its own, with a real PostgreSQL and a stand-in sidecar outside of it; its own CPU
time, user and system, is what counts. Ends with 1 unless the product is cheaper than one client per call.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import islice
from uuid import uuid4

import httpx
from aiohttp import ClientSession

from app.sidecar.api import CREDENTIAL
from benchmarks.server import VARIANTS
from tests.app.broker import StandInBroker
from tests.app.client import APP_TOKEN
from tests.app.postgres import PASSWORD, PostgresServer, free_port
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import until

IN_FLIGHT = 16
WARM_UP = 200
KEYS = 64
MICROSECONDS = 1_000_000


def published() -> Iterator[dict[str, object]]:
    """Bodies for /publish, without end."""
    while True:
        for key in range(KEYS):
            yield {"message": "x" * 500, "metadata": {"key": f"key-{key}", "amount": key}}


def delivered() -> Iterator[dict[str, object]]:
    """Events as daprd delivers them, each with an id of its own."""
    about = {"specversion": "1.0", "source": "benchmark", "type": "benchmark", "datacontenttype": "application/json"}
    for data in published():
        yield {**about, "id": uuid4().hex, "topic": "agent-events", "pubsubname": "kafka-pubsub", "data": data}


ROUTES: dict[str, tuple[Callable[[], Iterator[dict[str, object]]], str, str]] = {
    "/subscribe": (delivered, "application/cloudevents+json", "SUCCESS"),
    "/publish": (published, "application/json", "published"),
}


@contextmanager
def serving(variant: str, environment: dict[str, str]) -> Iterator[str]:
    """Run a variant; its address."""
    port = str(free_port())
    command = [sys.executable, "-m", "benchmarks.server", variant, port]
    with subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


@asynccontextmanager
async def environment() -> AsyncIterator[dict[str, str]]:
    """What the agent needs: PostgreSQL, and stand-ins for sidecar and broker; its settings."""
    postgres, sidecar, broker = PostgresServer(), StandInSidecar(), StandInBroker()
    try:
        postgres.start()
        await sidecar.start()
        await broker.start()
        yield {
            "APP_API_TOKEN": APP_TOKEN,
            "DAPR_HTTP_PORT": str(sidecar.port),
            "POSTGRES_HOST": "127.0.0.1",
            "POSTGRES_PORT": str(postgres.port),
            "POSTGRES_USER": "postgres",
            "POSTGRES_PASSWORD": PASSWORD,
            "POSTGRES_DATABASE": "postgres",
            "KAFKA_BROKERS": f"127.0.0.1:{broker.port}",
            # the checks are no part of an event
            "CHECK_PERIOD_SECONDS": "60",
        }
        await broker.stop()
        await sidecar.stop()
    finally:
        postgres.remove()


async def send(session: ClientSession, route: str, count: int) -> None:
    """Send this many events, 16 in flight; AssertionError for an answer that is not the wanted one."""
    make, content_type, wanted = ROUTES[route]
    events = islice(make(), count)

    async def work() -> None:
        for event in events:
            headers = {"content-type": content_type, CREDENTIAL: APP_TOKEN}
            async with session.post(route, data=json.dumps(event), headers=headers) as answer:
                seen = await answer.json()
                assert seen.get("status") == wanted, f"expected {wanted} of {route}, seen {answer.status} {seen}"

    async with asyncio.TaskGroup() as tasks:
        for _ in range(IN_FLIGHT):
            tasks.create_task(work())


async def cpu_per_event(address: str, route: str, count: int) -> float:
    """Microseconds of CPU that the server takes for one event."""

    async def ready() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            try:
                return (await client.get(f"{address}/ready")).status_code
            except httpx.TransportError:
                return 0

    await until(f"{address}/ready to answer 200", ready, lambda status: status == httpx.codes.OK, 30)
    async with ClientSession(address) as session:

        async def used() -> float:
            async with session.get("/cpu") as answer:
                return float(await answer.json())

        await send(session, route, WARM_UP)
        before = await used()
        await send(session, route, count)
        return (await used() - before) / count * MICROSECONDS


async def measured(count: int) -> dict[tuple[str, str], float]:
    """CPU per event in microseconds, of each route and variant."""
    found = {}
    async with environment() as settings:
        for route in ROUTES:
            for variant in VARIANTS:
                with serving(variant, settings) as address:
                    found[route, variant] = await cpu_per_event(address, route, count)
    return found


def main() -> int:
    """Print the table; 1 unless the product is cheaper than one client per call, on both routes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cpu")
    parser.add_argument("--events", type=int, default=2000, help="of each route and variant (default: 2000)")
    found = asyncio.run(measured(parser.parse_args().events))
    print(f"{'route':12}{'variant':22}{'CPU us an event':>16}{'x bare':>9}")
    for (route, variant), cost in found.items():
        print(f"{route:12}{variant:22}{cost:16.0f}{cost / found[route, 'bare ASGI']:9.1f}")
    dear = [route for route in ROUTES if found[route, "product"] >= found[route, "one client per call"]]
    if dear:
        print(f"expected the product to be cheaper than one client per call, it is not: {', '.join(dear)}")
    return 1 if dear else 0


if __name__ == "__main__":
    sys.exit(main())
