"""Runs inside the cluster: applies a backlog as a consumer without Dapr does; prints how many events were new.

On stdin, a JSON object: topic, offsets, events, dsn, schema, group, within_s, and as the agent has them migrations and
apply, in a schema of the consumer's own.
"""

import asyncio
import json
import sys
from hashlib import sha256
from typing import Any

import asyncpg
from aiokafka import (  # type: ignore[import-untyped]  # ships no types
    AIOKafkaConsumer,
    ConsumerRecord,
    TopicPartition,
)

from acceptance.in_cluster import clients

AT_ONCE = 1000


async def consume(wanted: dict[str, Any]) -> int:
    """Apply the backlog, partitions side by side, each event in a transaction; how many were applied."""
    pool = await asyncpg.create_pool(
        wanted["dsn"],
        min_size=len(wanted["offsets"]),
        max_size=len(wanted["offsets"]),
        server_settings={"search_path": wanted["schema"]},
    )
    await pool.execute(f"CREATE SCHEMA {wanted['schema']}; {'; '.join(wanted['migrations'])}")
    consumer = AIOKafkaConsumer(**clients.kafka(), group_id=wanted["group"], enable_auto_commit=False)
    await consumer.start()
    partitions = {TopicPartition(wanted["topic"], int(name)): at for name, at in wanted["offsets"].items()}
    consumer.assign(list(partitions))
    for partition, offset in partitions.items():
        consumer.seek(partition, offset)
    applied = 0
    async with asyncio.timeout(wanted["within_s"]):
        while applied < wanted["events"]:
            batches = await consumer.getmany(timeout_ms=1000, max_records=AT_ONCE)
            applied += sum(
                await asyncio.gather(*(apply(pool, wanted["apply"], records) for records in batches.values()))
            )
            await consumer.commit()
    await consumer.stop()
    await pool.close()
    return applied


async def apply(pool: asyncpg.Pool, statement: str, records: list[ConsumerRecord]) -> int:
    """Apply the records of one partition, in order; how many were new."""
    new = 0
    for one in records:
        event = json.loads(one.value)
        data = event["data"]
        metadata = data["metadata"]
        position = (one.partition, one.offset)
        amount = metadata["amount"]
        content = (metadata["key"], data["message"], json.dumps(metadata), amount, *position)
        arguments = (event["id"], event["id"], event["source"], False, *content)
        new += await pool.fetchval(statement, *arguments, sha256(one.value).digest()) == 1
    return new


if __name__ == "__main__":
    print(json.dumps(asyncio.run(consume(json.load(sys.stdin)))))
