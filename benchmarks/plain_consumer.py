"""Runs inside the cluster: applies a backlog as a consumer without Dapr does; prints how many events were new.

Argument, a JSON object: brokers, topic, offsets, events, host, user, database, schema, group, within_s. The password is
in POSTGRES_PASSWORD.
"""

import asyncio
import json
import os
import sys
from hashlib import sha256
from typing import Any

import asyncpg
from aiokafka import (  # type: ignore[import-untyped]  # ships no types
    AIOKafkaConsumer,
    ConsumerRecord,
    TopicPartition,
)

# The pod is made of the agent's image: the same tables and the same statement, in a schema of the consumer's own.
from app.effects import APPLY
from app.migration import MIGRATIONS

AT_ONCE = 1000


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
    await pool.execute(f"CREATE SCHEMA {wanted['schema']}; {'; '.join(MIGRATIONS)}")
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
        content = (metadata["key"], data["message"], json.dumps(metadata), amount, *position)
        arguments = (event["id"], event["id"], event["source"], False, *content)
        new += await pool.fetchval(APPLY, *arguments, sha256(one.value).digest()) == 1
    return new


if __name__ == "__main__":
    print(json.dumps(asyncio.run(consume(json.loads(sys.argv[1])))))
