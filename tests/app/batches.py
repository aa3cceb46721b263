"""Batches of records as a broker keeps them."""

import struct
from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]  # it ships no types
from aiokafka.record.util import calc_crc32c  # type: ignore[import-untyped]  # it ships no types

from app.kafka.batches import CHECKED_FROM, RECORDS_AT

ATTRIBUTES_AT, CHECKSUM_AT, DISTANCE_AT = 21, 17, 23
LARGEST = 2**30


def packed(base: int, values: list[bytes], codec: int = 0, headers: Sequence[tuple[str, bytes | None]] = ()) -> bytes:
    """Make a whole batch from this offset on, as a producer packs it."""
    builder = DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, LARGEST)
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=1, key=b"k", value=value, headers=list(headers))
    return struct.pack(">q", base) + bytes(builder.build())[8:]


def batch(base: int, values: list[bytes], attributes: int = 0) -> bytes:
    """Make a batch that says these attributes of itself; its content does not follow."""
    log = bytearray(packed(base, values))
    struct.pack_into(">h", log, ATTRIBUTES_AT, attributes)
    return checked(bytes(log))


def counted(log: bytes, records: int) -> bytes:
    """Let a batch say that it has so many records."""
    return checked(log[:RECORDS_AT] + struct.pack(">i", records) + log[RECORDS_AT + 4 :])


def spanning(log: bytes, last: int) -> bytes:
    """Let a batch reach up to an offset, as where the records at its end were compacted away."""
    (base,) = struct.unpack_from(">q", log)
    return checked(log[:DISTANCE_AT] + struct.pack(">i", last - base) + log[DISTANCE_AT + 4 :])


def checked(log: bytes) -> bytes:
    """Give a batch that was changed its checksum again."""
    return log[:CHECKSUM_AT] + struct.pack(">I", calc_crc32c(log[CHECKED_FROM:])) + log[CHECKED_FROM:]
