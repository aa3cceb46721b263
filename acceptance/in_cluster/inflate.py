"""Writes a compressed batch that unpacks to many times its size, as any producer may; prints what the broker says.

Its two records are a large one and a small one behind it, which a consumer gets with the other or not at all.
Argument, a JSON object: brokers, topic, partition, codec (gzip or zstd), mib (size of the first value, unpacked).
Answer, a JSON object: error (Kafka's name for it, empty when the broker took the record), offset, bytes (as sent).
"""

import asyncio
import json
import struct
import sys
import zlib
from collections.abc import Iterator
from typing import Any

from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]  # ships no types
from aiokafka.errors import for_code  # type: ignore[import-untyped]  # ships no types
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]  # ships no types

from acceptance.in_cluster import clients

CHUNK = 128 * 1024
CODECS = {"gzip": 1, "zstd": 4}
PRODUCE, VERSION = 0, 7
RECORDS = 2
TIMEOUT_MS = 30_000


def varint(number: int) -> bytes:
    """A number as records have it: zigzag, seven bits a byte."""
    number, out = (number << 1) ^ (number >> 63), b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def pieces(size: int) -> Iterator[tuple[bytes, int]]:
    """Records without key, their values `size` times the letter x, and that letter: text, and how often it comes."""
    for number, letters in enumerate((size, *[1] * (RECORDS - 1))):
        head = b"\x00" + varint(0) + varint(number) + varint(-1) + varint(letters)
        yield varint(len(head) + letters + 1) + head, 1
        yield from ((b"x", min(CHUNK, letters - done)) for done in range(0, letters, CHUNK))
        yield varint(0), 1


def gzip(size: int) -> bytes:
    """The records, by gzip."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(text * times) for text, times in pieces(size)) + packer.flush()


def zstd(size: int) -> bytes:
    """The records, by zstd: what is repeated is four bytes (RFC 8878, 3.1.1.2)."""
    headers, texts = [], []
    for text, times in pieces(size):
        repeated = times > 1
        headers.append(repeated << 1 | (times if repeated else len(text)) << 3)
        texts.append(text)
    headers[-1] |= 1
    frame = b"".join(header.to_bytes(3, "little") + text for header, text in zip(headers, texts, strict=True))
    return b"\x28\xb5\x2f\xfd" + b"\x00\x38" + frame


def batch(codec: str, packed: bytes) -> bytes:
    """A batch of records (magic 2)."""
    body = struct.pack(">hiqqqhii", CODECS[codec], RECORDS - 1, 0, 0, -1, -1, -1, RECORDS) + packed
    return struct.pack(">qiibI", 0, len(body) + 9, -1, 2, calc_crc32c(body)) + body


def request(topic: str, partition: int, records: bytes) -> bytes:
    """A request to produce, acknowledged by all."""
    name = topic.encode()
    head = struct.pack(">hhih", PRODUCE, VERSION, 1, -1) + struct.pack(">hhi", -1, -1, TIMEOUT_MS)
    body = struct.pack(">ih", 1, len(name)) + name + struct.pack(">iii", 1, partition, len(records)) + records
    return struct.pack(">i", len(head) + len(body)) + head + body


async def leader(wanted: dict[str, Any]) -> tuple[str, int]:
    """Where the partition's leader listens."""
    client = AIOKafkaClient(**clients.kafka())
    await client.bootstrap()
    try:
        await client.add_topic(wanted["topic"])
        node = client.cluster._partitions[wanted["topic"]][wanted["partition"]].leader  # noqa: SLF001 - it has no other
        broker = client.cluster.broker_metadata(node)
        return broker.host, broker.port
    finally:
        await client.close()


async def main(wanted: dict[str, Any]) -> None:
    """Write the batch, and print what became of it."""
    packed = {"gzip": gzip, "zstd": zstd}[wanted["codec"]](wanted["mib"] * 2**20)
    records = batch(wanted["codec"], packed)
    reader, writer = await asyncio.open_connection(*await leader(wanted), ssl=clients.kafka().get("ssl_context"))
    writer.write(request(wanted["topic"], wanted["partition"], records))
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    answer = await reader.readexactly(size)
    writer.close()
    # behind correlation, one topic with its name, and one partition's number
    at = 4 + 4 + 2 + len(wanted["topic"].encode()) + 4 + 4
    code, offset = struct.unpack_from(">hq", answer, at)
    error = for_code(code).__name__ if code else ""
    print(json.dumps({"error": error, "offset": offset, "bytes": len(records)}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
