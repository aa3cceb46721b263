"""Writes records to a topic as a foreign producer does, in the order of stdin; prints where each of them is.

Argument, a JSON object: topic. One JSON object a line on stdin: value and key (base64 or null), headers
(name: text), partition (a number, or null to let the key decide).
"""

import asyncio
import json
import sys
from base64 import b64decode
from typing import Any

from aiokafka import AIOKafkaProducer  # type: ignore[import-untyped]  # ships no types

from acceptance.in_cluster import clients

LARGEST = 2 * 1024 * 1024


def record(line: str) -> dict[str, Any]:
    """What the producer is given for one line."""
    told = json.loads(line)
    return {
        "value": None if told["value"] is None else b64decode(told["value"]),
        "key": None if told["key"] is None else b64decode(told["key"]),
        "headers": [(name, text.encode()) for name, text in told["headers"].items()],
        "partition": told["partition"],
    }


async def main(wanted: dict[str, Any]) -> None:
    """Print partition and offset of every record once the broker has them all."""
    producer = AIOKafkaProducer(**clients.kafka(), enable_idempotence=True, linger_ms=5, max_request_size=LARGEST)
    await producer.start()
    try:
        sent = [await producer.send(wanted["topic"], **record(line)) for line in sys.stdin]
        places = await asyncio.gather(*sent)
    finally:
        await producer.stop()
    print(json.dumps([[one.partition, one.offset] for one in places]))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
