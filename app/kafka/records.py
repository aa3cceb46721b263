"""The records that wait in a log, batch by batch, as far as they can be read in bounded memory."""

import struct
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import NamedTuple

import cramjam
from aiokafka.codec import snappy_decode  # type: ignore[import-untyped]  # it ships no types
from aiokafka.record.util import calc_crc32c, decode_varint  # type: ignore[import-untyped]  # it ships no types

from app.kafka import batches
from app.kafka.batches import BATCH, CHECKED_FROM, HEADER_BYTES, NEWEST, RECORDS, RECORDS_AT, Batch

MAX_UNPACKED_BYTES = 16 * 1024 * 1024
"""A batch that unpacks to more is taken for what a sidecar fails at, and is not unpacked any further."""
BOUNDED: dict[str, Callable[[bytes, bytearray], int]] = {
    "gzip": cramjam.gzip.decompress_into,
    "lz4": cramjam.lz4.decompress_into,
    "zstd": cramjam.zstd.decompress_into,
}
"""What may unpack to any size."""
UNBOUNDED: dict[str, Callable[[bytes], bytes]] = {"uncompressed": bytes, "snappy": snappy_decode}
"""What cannot unpack to more than about twenty times its own size."""


class Record(NamedTuple):
    """A record of a partition."""

    offset: int
    key: bytes | None
    value: bytes | None


def waiting(log: bytes, offset: int) -> Iterator[tuple[Batch, list[Record] | None]]:
    """Give the batches that wait from an offset on, each with its records; the first that cannot be read, and no more.

    That one is broken, or too large once it is unpacked, or in the format of before 2017, and comes with None.
    """
    found, is_first = list(batches.read(log)), True
    for batch, end in zip(found, accumulate(one.size for one in found), strict=True):
        # a marker of a transaction is no batch that a sidecar has to take
        if batch.last < offset or not batch.has_records:
            continue
        if end > len(log) and not is_first:  # a broker sends the first one whole, and another when it is asked for
            return
        is_first = False
        records = _read(log[end - batch.size : end], batch.codec)
        if records is None:
            yield batch, None
            return
        yield batch, [one for one in records if one.offset >= offset]


def _read(content: bytes, codec: str) -> list[Record] | None:
    base, _, _, magic, checksum, *_ = BATCH.unpack_from(content)
    if magic < NEWEST or calc_crc32c(content[CHECKED_FROM:]) != checksum:
        return None
    (count,) = RECORDS.unpack_from(content, RECORDS_AT)
    try:
        return list(_records(_unpack(content[HEADER_BYTES:], codec), base, count))
    except (cramjam.DecompressionError, ValueError, LookupError, struct.error):
        return None


def _unpack(packed: bytes, codec: str) -> bytearray:
    if unpack := UNBOUNDED.get(codec):
        return bytearray(unpack(packed))
    unpacked = bytearray(MAX_UNPACKED_BYTES)
    return unpacked[: BOUNDED[codec](packed, unpacked)]


def _records(text: bytearray, base: int, count: int) -> Iterator[Record]:
    """Read records as Kafka's protocol has them since 0.11; their headers, of any bytes, are passed over."""
    end = 0
    for _ in range(count):
        length, at = decode_varint(text, end)
        end = at + length
        if not at < end <= len(text):
            raise ValueError(f"a record of {length} bytes at {at} of {len(text)}")
        _, at = decode_varint(text, at + 1)  # behind a byte of attributes, the time
        distance, at = decode_varint(text, at)
        key, at = _bytes(text, at)
        value, at = _bytes(text, at)
        yield Record(base + distance, key, value)


def _bytes(text: bytearray, at: int) -> tuple[bytes | None, int]:
    length, at = decode_varint(text, at)
    return (None, at) if length < 0 else (bytes(text[at : at + length]), at + length)
