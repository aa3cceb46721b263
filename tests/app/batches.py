"""Batches of records as a broker keeps them."""

import struct

from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]  # it ships no types

ATTRIBUTES_AT = 21


def batch(base: int, values: list[bytes], attributes: int = 0) -> bytes:
    """Make a batch from this offset on that says these attributes of itself; its checksum and content do not follow."""
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 100_000)
    for offset, value in enumerate(values):
        builder.append(offset, timestamp=1, key=None, value=value, headers=[])
    log = bytearray(builder.build())
    struct.pack_into(">q", log, 0, base)
    struct.pack_into(">h", log, ATTRIBUTES_AT, attributes)
    return bytes(log)
