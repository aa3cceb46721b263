"""Joins a consumer group and takes nothing of what it is given; leaves once stdin is closed, or the seconds are over.

Argument, a JSON object: group, topics, client_id, seconds. Prints what it holds, four times a second.
"""

import asyncio
import json
import sys
import time
from collections import defaultdict
from threading import Thread
from typing import Any

from aiokafka import AIOKafkaConsumer  # type: ignore[import-untyped]  # ships no types
from aiokafka.coordinator.assignors.range import RangePartitionAssignor  # type: ignore[import-untyped]  # no types

from acceptance.in_cluster import clients

INTERVAL_S = 0.25


def seen(consumer: AIOKafkaConsumer) -> dict[str, Any]:
    """What there is to tell now: the partitions it holds, by topic."""
    held: dict[str, list[int]] = defaultdict(list)
    for one in sorted(consumer.assignment()):
        held[one.topic].append(one.partition)
    state = "holds" if held else "waits"
    return {"at": time.monotonic(), "name": "stranger", "state": state, "detail": json.dumps(held)}


async def main(wanted: dict[str, Any]) -> None:
    """Stay in the group until it is time to leave."""
    print(json.dumps({"clock": time.monotonic()}), flush=True)
    loop, ending = asyncio.get_running_loop(), asyncio.Event()

    def listen() -> None:
        sys.stdin.read()
        loop.call_soon_threadsafe(ending.set)

    Thread(target=listen, daemon=True).start()
    loop.call_later(wanted["seconds"], ending.set)
    consumer = AIOKafkaConsumer(
        *wanted["topics"],
        **clients.kafka(),
        group_id=wanted["group"],
        client_id=wanted["client_id"],
        enable_auto_commit=False,
        # the only way of sharing that the sidecar knows
        partition_assignment_strategy=(RangePartitionAssignor,),
    )
    await consumer.start()
    try:
        while not ending.is_set():
            print(json.dumps(seen(consumer)), flush=True)
            await asyncio.sleep(INTERVAL_S)
    finally:
        await consumer.stop()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
