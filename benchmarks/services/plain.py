"""Publishing and consuming without Dapr: FastAPI, aiokafka and asyncpg, one client each for the life of the process.

What it consumes takes effect as the agent's does: in the tables of SCHEMA, one transaction an event, once however often
it comes; a task for each partition. Without SCHEMA it only publishes.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from hashlib import sha256
from typing import Any
from uuid import uuid4

import asyncpg
import uvicorn
from aiokafka import (  # type: ignore[import-untyped]  # ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
    TopicPartition,
)
from fastapi import FastAPI, Request
from pydantic import BaseModel

TOPIC = "agent-events"
SCHEMA = os.environ.get("SCHEMA")
AT_ONCE = 500


class Event(BaseModel):
    """What is published."""

    message: str
    metadata: dict[str, Any] = {}


def record(event: Event) -> bytes:
    """The event in its CloudEvent."""
    about = {"specversion": "1.0", "source": "benchmark", "type": "benchmark", "datacontenttype": "application/json"}
    return json.dumps({**about, "id": uuid4().hex, "data": event.model_dump()}).encode()


def arguments(value: bytes, partition: int, offset: int) -> tuple[Any, ...]:
    """What the statement is given for one record."""
    event = json.loads(value)
    data = event["data"]
    metadata = data["metadata"]
    content = (metadata["key"], data["message"], json.dumps(metadata), Decimal(metadata["amount"]))
    return (event["id"], event["id"], event["source"], False, *content, partition, offset, sha256(value).digest())


async def follow(kafka: AIOKafkaConsumer, pool: asyncpg.Pool, partition: TopicPartition) -> None:
    """Apply what comes in a partition."""
    while True:
        fetched = await kafka.getmany(partition, timeout_ms=1000, max_records=AT_ONCE)
        for one in fetched.get(partition, []):
            await pool.fetchval(os.environ["STATEMENT"], *arguments(one.value, one.partition, one.offset))
        if partition in fetched:
            await kafka.commit({partition: fetched[partition][-1].offset + 1})


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Connect, and consume."""
    brokers, tasks = os.environ["KAFKA_BROKERS"], []
    async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
        if not SCHEMA:
            yield {"producer": producer}
            return
        consumer = AIOKafkaConsumer(bootstrap_servers=brokers, group_id=SCHEMA, enable_auto_commit=False)
        names = {"host": "HOST", "port": "PORT", "user": "USER", "password": "PASSWORD", "database": "DATABASE"}
        settings: dict[str, Any] = {name: os.environ[f"POSTGRES_{variable}"] for name, variable in names.items()}
        async with asyncpg.create_pool(**settings, server_settings={"search_path": SCHEMA}) as pool, consumer:
            partitions = [TopicPartition(TOPIC, number) for number in sorted(await producer.partitions_for(TOPIC))]
            consumer.assign(partitions)
            await consumer.seek_to_end()
            for partition in partitions:
                await consumer.position(partition)
            tasks = [asyncio.create_task(follow(consumer, pool, partition)) for partition in partitions]
            yield {"producer": producer}
            for task in tasks:
                task.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/publish")
async def publish(event: Event, request: Request) -> dict[str, str]:
    """Answer when Kafka has the event."""
    await request.state.producer.send_and_wait(TOPIC, record(event), key=event.metadata["key"].encode())
    return {"status": "published"}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000, log_level="warning")  # noqa: S104 - a pod's
