"""Dead letters on record, and the commands that operators have for them."""

import asyncio
import os
import sys
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from app import SERVICE
from app.config import Settings
from tests.app.client import APP_TOKEN, deliver
from tests.app.postgres import PASSWORD
from tests.app.sidecar import StandInSidecar

OFFSETS = count()
INSERT = """
INSERT INTO dead_letters (position, "partition", "offset", id, source, reason, key, original,
    size, replayed_at, attempts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 3)
"""


async def written(sql: asyncpg.Connection, event_id: str = "", **columns: Any) -> str:  # noqa: ANN401 - of any kind
    """Put a letter on record, after those before it, and return its event's id; what is not told does not matter."""
    event_id = event_id or uuid4().hex
    letter = {"partition": 3, "offset": next(OFFSETS), "source": SERVICE, "reason": "r", "key": ""} | columns
    position = letter.pop("position", f"agent-events/{letter['partition']}:{letter['offset']}/sha256:{uuid4().hex}")
    place = (letter.pop("partition"), letter.pop("offset"))
    content = (letter.pop("original", b"{}"), letter.pop("size", None), letter.pop("replayed_at", None))
    await sql.execute(INSERT, position, *place, event_id, *letter.values(), *content)
    return event_id


async def hand_over(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> list[str]:
    """Deliver what is in the dead letter topic."""
    letters = [record for topic, record in sidecar.records if topic == "agent-events-dead-letters"]
    return [
        await deliver(agent, record, 0, offset, route="/dead-letters") for offset, record in enumerate(letters, start=1)
    ]


async def recorded(sql: asyncpg.Connection) -> list[dict[str, Any]]:
    """Everything on record, in its order."""
    rows = await sql.fetch("SELECT * FROM dead_letters ORDER BY recorded_at")
    # where the letter itself is matters to the retention alone
    return [{name: value for name, value in row.items() if not name.startswith("letter_")} for row in rows]


async def started(settings: Settings, *arguments: str) -> asyncio.subprocess.Process:
    """Start a command of the agent, as `make` does in its container."""
    environment = {
        "PATH": os.environ["PATH"],
        "POSTGRES_HOST": "127.0.0.1",
        "POSTGRES_PORT": str(settings.postgres_port),
        "POSTGRES_USER": "postgres",
        "POSTGRES_PASSWORD": PASSWORD,
        "POSTGRES_DATABASE": settings.postgres_database,
        "KAFKA_BROKERS": settings.kafka_brokers,
        "DAPR_HTTP_PORT": str(settings.dapr_http_port),
        "APP_API_TOKEN": APP_TOKEN,
    }
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", *arguments, env=environment, stdout=-1, stderr=-1
    )


async def command(settings: Settings, *arguments: str) -> tuple[int | None, str, str]:
    """Run a command; its exit status, and what it wrote."""
    process = await started(settings, *arguments)
    stdout, stderr = await process.communicate()
    return process.returncode, stdout.decode(), stderr.decode()
