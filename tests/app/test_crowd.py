"""Many clients at once: what they ask for makes no check late."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.app.postgres import PASSWORD, PostgresServer
from tests.app.served import served
from tests.app.test_service import ENVIRONMENT
from tests.app.waiting import in_time, until

pytestmark = pytest.mark.anyio
CLIENTS = 2000


@pytest.fixture
def url(postgres: PostgresServer, tmp_path: Path) -> Iterator[str]:
    """Where an agent listens that runs as in its container, and has a database alone."""
    database = {"POSTGRES_PORT": str(postgres.port), "POSTGRES_PASSWORD": PASSWORD}
    late = dict.fromkeys(("CHECK_TIMEOUT_SECONDS", "DATABASE_TIMEOUT_SECONDS"), f"{in_time(1):g}")
    with served(tmp_path, **(ENVIRONMENT | database | late), DAPR_HTTP_PORT="1") as agent:
        yield f"http://127.0.0.1:{agent.port}"


async def database_check(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """What `/ready` says of the database; nothing while nobody listens."""
    try:
        async with session.get(f"{url}/ready") as answer:
            check: dict[str, Any] = (await answer.json(content_type=None))["checks"]["database"]
            return check
    except aiohttp.ClientConnectionError:
        return {}


async def test_a_crowd_makes_no_check_late(url: str) -> None:
    async def ask() -> int:
        async with crowd.get(f"{url}/db/query") as answer:
            await answer.read()
            return answer.status

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as crowd, aiohttp.ClientSession() as own:
        await until(
            "the database to be there", lambda: database_check(own, url), lambda check: check.get("status") == "ok", 20
        )
        asking = asyncio.gather(*(ask() for _ in range(CLIENTS)))
        checks = []
        while not asking.done():
            checks.append(await database_check(own, url))
            await asyncio.sleep(0.05)
        answers = Counter(await asking)
    assert {check["status"] for check in checks} == {"ok"}, checks
    assert answers.keys() == {200, 503}
