"""Runs inside the cluster: applies a backlog as a consumer without Dapr does; prints how many events were new.

On stdin, a JSON object: topic, offsets, ends (by partition), dsn, schema, group, within_s, is_batched, and the
statement that applies one event, or as many as there are.
"""

import asyncio
import json
import sys
from dataclasses import dataclass
from decimal import Decimal
from hashlib import sha256
from typing import Any

import asyncpg
from aiokafka import (  # type: ignore[import-untyped]  # ships no types
    AIOKafkaConsumer,
    ConsumerRecord,
    TopicPartition,
)

from acceptance.in_cluster import clients

AT_ONCE = 500


@dataclass(frozen=True)
class Consumer:
    """A task for each partition: what it has fetched is applied, then committed."""

    kafka: AIOKafkaConsumer
    pool: asyncpg.Pool
    statement: str
    is_batched: bool

    async def follow(self, partition: TopicPartition, end: int) -> int:
        """Apply what is in a partition before its end; how many events were new."""
        new, at = 0, await self.kafka.position(partition)
        while at < end:
            fetched = await self.kafka.getmany(partition, timeout_ms=1000, max_records=AT_ONCE)
            records = fetched.get(partition, [])
            if records:
                at = records[-1].offset + 1
                new += await (self.apply_all if self.is_batched else self.apply_each)(records)
                await self.kafka.commit({partition: at})
        return new

    async def apply_each(self, records: list[ConsumerRecord]) -> int:
        """Apply records in order, each in a transaction."""
        return sum([await self.pool.fetchval(self.statement, *arguments(one)) == 1 for one in records])

    async def apply_all(self, records: list[ConsumerRecord]) -> int:
        """Apply records in one transaction."""
        columns = zip(*map(arguments, records), strict=True)
        return sum([row["deliveries"] == 1 for row in await self.pool.fetch(self.statement, *map(list, columns))])


def arguments(record: ConsumerRecord) -> tuple[Any, ...]:
    """What the statement is given for one record."""
    event = json.loads(record.value)
    data = event["data"]
    metadata = data["metadata"]
    content = (metadata["key"], data["message"], json.dumps(metadata), Decimal(metadata["amount"]))
    position = (record.partition, record.offset)
    return (event["id"], event["id"], event["source"], False, *content, *position, sha256(record.value).digest())


async def consume(wanted: dict[str, Any]) -> int:
    """Apply the backlog, partitions side by side; how many events were new."""
    partitions = {TopicPartition(wanted["topic"], int(name)): end for name, end in wanted["ends"].items()}
    size = len(partitions)
    settings = {"search_path": wanted["schema"]}
    kafka = AIOKafkaConsumer(**clients.kafka(), group_id=wanted["group"], enable_auto_commit=False)
    async with (
        asyncio.timeout(wanted["within_s"]),
        asyncpg.create_pool(wanted["dsn"], min_size=size, max_size=size, server_settings=settings) as pool,
        kafka,
    ):
        kafka.assign(list(partitions))
        for partition in partitions:
            kafka.seek(partition, wanted["offsets"][str(partition.partition)])
        consumer = Consumer(kafka, pool, wanted["statement"], wanted["is_batched"])
        return sum(await asyncio.gather(*(consumer.follow(*one) for one in partitions.items())))


if __name__ == "__main__":
    print(json.dumps(asyncio.run(consume(json.load(sys.stdin)))))
