"""Runs inside the cluster: writes a backlog, or applies it as a consumer without Dapr does.

Arguments: `produce` or `consume`, and a JSON object: brokers, topic, run, events, and for `consume` host, user,
database, schema, group, offsets, within_s. The password is in POSTGRES_PASSWORD.
"""

import asyncio
import json
import os
import sys
from typing import Any
from uuid import uuid4

import asyncpg
from aiokafka import (  # type: ignore[import-untyped]  # ships no types
    AIOKafkaConsumer,
    AIOKafkaProducer,
    ConsumerRecord,
    TopicPartition,
)

KEYS = 64
AT_ONCE = 1000
TABLES = """
CREATE TABLE processed_events (
    id text PRIMARY KEY, key text NOT NULL, message text NOT NULL, metadata jsonb NOT NULL,
    deliveries integer NOT NULL DEFAULT 1, "partition" integer, "offset" bigint,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ON processed_events (key, applied_at);
CREATE TABLE effects (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event_id text NOT NULL, key text NOT NULL,
    amount numeric NOT NULL, applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE totals (key text PRIMARY KEY, count bigint NOT NULL, amount numeric NOT NULL);
"""
# The agent's statement, in tables of our own.
APPLY = """
WITH delivered AS (
    INSERT INTO processed_events (id, key, message, metadata, "partition", "offset") VALUES ($1, $2, $3, $4, $6, $7)
    ON CONFLICT (id) DO UPDATE SET deliveries = processed_events.deliveries + 1
    RETURNING deliveries
), effect AS (
    INSERT INTO effects (event_id, key, amount) SELECT $1, $2, $5 FROM delivered WHERE deliveries = 1
), total AS (
    INSERT INTO totals (key, count, amount) SELECT $2, 1, $5 FROM delivered WHERE deliveries = 1
    ON CONFLICT (key) DO UPDATE SET count = totals.count + 1, amount = totals.amount + excluded.amount
)
SELECT deliveries FROM delivered
"""


async def produce(wanted: dict[str, Any]) -> dict[str, int]:
    """Write the backlog as the agent publishes it; the offsets where it begins."""
    consumer = AIOKafkaConsumer(wanted["topic"], bootstrap_servers=wanted["brokers"])
    await consumer.start()
    ends = await consumer.end_offsets(list(consumer.assignment()))
    await consumer.stop()
    producer = AIOKafkaProducer(bootstrap_servers=wanted["brokers"], acks="all", linger_ms=5)
    await producer.start()
    for first in range(0, wanted["events"], AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, wanted["events"]))
        sent = [await producer.send(wanted["topic"], **record(wanted["run"], number)) for number in numbers]
        await asyncio.gather(*sent)
    await producer.stop()
    return {str(partition.partition): offset for partition, offset in ends.items()}


def record(run: str, number: int) -> dict[str, bytes]:
    """Key and value of one event."""
    key = f"benchmark-{run}-{number % KEYS}"
    about = {"specversion": "1.0", "id": uuid4().hex, "source": "benchmark", "type": "benchmark"}
    data = {"message": "x" * 200, "metadata": {"key": key, "amount": 1}}
    return {
        "key": key.encode(),
        "value": json.dumps({**about, "datacontenttype": "application/json", "data": data}).encode(),
    }


async def consume(wanted: dict[str, Any]) -> int:
    """Apply the backlog, partitions side by side, each event in a transaction; how many were applied."""
    pool = await asyncpg.create_pool(
        host=wanted["host"],
        user=wanted["user"],
        database=wanted["database"],
        password=os.environ["POSTGRES_PASSWORD"],
        ssl=False,
        min_size=len(wanted["offsets"]),
        max_size=len(wanted["offsets"]),
        server_settings={"search_path": wanted["schema"]},
    )
    await pool.execute(f"CREATE SCHEMA {wanted['schema']}; {TABLES}")
    consumer = AIOKafkaConsumer(bootstrap_servers=wanted["brokers"], group_id=wanted["group"], enable_auto_commit=False)
    await consumer.start()
    partitions = {TopicPartition(wanted["topic"], int(name)): at for name, at in wanted["offsets"].items()}
    consumer.assign(list(partitions))
    for partition, offset in partitions.items():
        consumer.seek(partition, offset)
    applied = 0
    async with asyncio.timeout(wanted["within_s"]):
        while applied < wanted["events"]:
            batches = await consumer.getmany(timeout_ms=1000, max_records=AT_ONCE)
            applied += sum(await asyncio.gather(*(apply(pool, records) for records in batches.values())))
            await consumer.commit()
    await consumer.stop()
    await pool.close()
    return applied


async def apply(pool: asyncpg.Pool, records: list[ConsumerRecord]) -> int:
    """Apply the records of one partition, in order; how many were new."""
    new = 0
    for one in records:
        event = json.loads(one.value)
        data = event["data"]
        metadata = data["metadata"]
        position = (one.partition, one.offset)
        amount = metadata["amount"]
        arguments = (event["id"], metadata["key"], data["message"], json.dumps(metadata), amount, *position)
        new += await pool.fetchval(APPLY, *arguments) == 1
    return new


if __name__ == "__main__":
    print(json.dumps(asyncio.run({"produce": produce, "consume": consume}[sys.argv[1]](json.loads(sys.argv[2])))))
