"""Runs inside the cluster: has a consumer group without members pass over what is in a topic.

On stdin, a JSON object: topic, group.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # ships no types

from acceptance.in_cluster import clients
from acceptance.in_cluster.topic import partitions_of


async def pass_over(topic: str, group: str) -> dict[int, int]:
    """Commit the end of each partition; where that is."""
    async with AIOKafkaConsumer(**clients.kafka(), group_id=group, enable_auto_commit=False) as kafka:
        ends = await kafka.end_offsets(await partitions_of(topic))
        kafka.assign(list(ends))
        await kafka.commit(ends)
        return {partition.partition: end for partition, end in ends.items()}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(pass_over(**json.load(sys.stdin)))))
