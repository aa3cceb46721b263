"""Reads a topic by a consumer of its own: `offsets` prints where it ends, `find` the record that carries an id."""

import asyncio
import json
import sys
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # ships no types


async def main(command: str, wanted: dict[str, Any]) -> None:
    """Print one JSON object; `null` when no record with the id came in time."""
    consumer = AIOKafkaConsumer(bootstrap_servers=wanted["brokers"], group_id=wanted["group"], enable_auto_commit=False)
    await consumer.start()
    try:
        await consumer.topics()
        numbers = sorted(consumer.partitions_for_topic(wanted["topic"]) or ())
        if not numbers:
            sys.exit(f"the broker has no topic {wanted['topic']}")
        partitions = [TopicPartition(wanted["topic"], number) for number in numbers]
        if command == "offsets":
            ends = await consumer.end_offsets(partitions)
            print(json.dumps({partition.partition: offset for partition, offset in ends.items()}))
        else:
            print(json.dumps(await find(consumer, partitions, wanted)))
    finally:
        await consumer.stop()


async def find(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], wanted: dict[str, Any]
) -> dict[str, Any] | None:
    """The first record behind the offsets whose value mentions the id."""
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, wanted["offsets"][str(partition.partition)])
    deadline = time.monotonic() + wanted["within_s"]
    while time.monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                if wanted["id"].encode() in (record.value or b""):
                    return {
                        "partition": record.partition,
                        "offset": record.offset,
                        "key": (record.key or b"").decode(errors="replace"),
                        "value": record.value.decode(errors="replace"),
                    }
    return None


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))
