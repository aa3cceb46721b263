"""Reads a topic by a consumer of its own.

`offsets` prints where it ends, `find` the first record that carries an id, `count` how many records do.
"""

import asyncio
import json
import sys
import time
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition  # type: ignore[import-untyped]  # ships no types
from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # ships no types

from acceptance.in_cluster import clients

ANSWERED_S = 8


async def main(command: str, wanted: dict[str, Any]) -> None:
    """Print one JSON object; `null` when no record with the id came in time."""
    consumer = AIOKafkaConsumer(**clients.kafka(), group_id=wanted["group"], enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = await partitions_of(wanted["topic"])
        ends = await consumer.end_offsets(partitions)
        if command == "offsets":
            print(json.dumps({partition.partition: offset for partition, offset in ends.items()}))
        elif command == "count":
            print(json.dumps(await count(consumer, ends, wanted)))
        else:
            print(json.dumps(await find(consumer, partitions, wanted)))
    finally:
        await consumer.stop()


async def partitions_of(topic: str) -> list[TopicPartition]:
    """Every partition of a topic; asking does not create it."""
    admin = AIOKafkaAdminClient(**clients.kafka())
    await admin.start()
    try:
        (description,) = await admin.describe_topics([topic])
    finally:
        await admin.close()
    if description["error_code"]:
        sys.exit(f"the broker has no topic {topic}: error {description['error_code']}")
    return [TopicPartition(topic, one["partition"]) for one in description["partitions"]]


async def count(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], wanted: dict[str, Any]) -> int:
    """How many records between the offsets and the ends mention the id."""
    seek(consumer, [*ends], wanted)
    found = 0
    while any([await consumer.position(partition) < end for partition, end in ends.items()]):
        for partition, records in (await consumer.getmany(timeout_ms=200)).items():
            found += sum(one.offset < ends[partition] and mentions(one, wanted) for one in records)
    return found


def seek(consumer: AIOKafkaConsumer, partitions: list[TopicPartition], wanted: dict[str, Any]) -> None:
    """Read on from the offsets."""
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, wanted["offsets"][str(partition.partition)])


def mentions(record: Any, wanted: dict[str, Any]) -> bool:
    """Whether the id is in a record's value."""
    return wanted["id"].encode() in (record.value or b"")


async def find(
    consumer: AIOKafkaConsumer, partitions: list[TopicPartition], wanted: dict[str, Any]
) -> dict[str, Any] | None:
    """The first record behind the offsets whose value mentions the id."""
    seek(consumer, partitions, wanted)
    deadline = time.monotonic() + wanted["within_s"]
    while time.monotonic() < deadline:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                if mentions(record, wanted):
                    return {
                        "partition": record.partition,
                        "offset": record.offset,
                        "key": (record.key or b"").decode(errors="replace"),
                        "value": record.value.decode(errors="replace"),
                    }
    return None


if __name__ == "__main__":
    asked = json.loads(sys.argv[2])
    try:
        asyncio.run(asyncio.wait_for(main(sys.argv[1], asked), asked["within_s"] + ANSWERED_S))
    except TimeoutError:
        sys.exit(f"the brokers did not answer within {asked['within_s'] + ANSWERED_S:g} s")
