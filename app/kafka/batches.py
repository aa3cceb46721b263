"""Batches of records as Kafka keeps them: what their headers say, without unpacking what is in them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

CODECS = ("uncompressed", "gzip", "snappy", "lz4", "zstd", "an unknown codec")
# of a batch: base offset, length behind these two, leader epoch, magic, checksum, attributes, last offset's distance
BATCH = struct.Struct(">qiibIhi")
# then two times, producer's id and epoch, and sequence, and the number of records
RECORDS = struct.Struct(">i")
RECORDS_AT = 57
HEADER_BYTES = RECORDS_AT + RECORDS.size
CHECKED_FROM = 21
OLD_CODEC_AT = 17
LENGTH_FROM = 12
CONTROL = 0x20
NEWEST = 2


class Batch(NamedTuple):
    """A batch: its offsets, bytes in the log, codec, and whether there is anything in it for a consumer."""

    first: int
    last: int
    size: int
    codec: str
    has_records: bool


def read(log: bytes) -> Iterator[Batch]:
    """Read the headers of the batches of a log; of the last batch the end may be missing."""
    at = 0
    while at + HEADER_BYTES <= len(log):
        base, length, _, magic, _, attributes, distance = BATCH.unpack_from(log, at)
        if length <= 0:
            return
        if magic < NEWEST:  # one record, or several in one that is compressed; nothing else was there in their time
            codec, last, has_records = log[at + OLD_CODEC_AT], base, True
        else:
            (records,) = RECORDS.unpack_from(log, at + RECORDS_AT)
            codec, last, has_records = attributes, base + distance, records > 0 and not attributes & CONTROL
        yield Batch(base, last, LENGTH_FROM + length, CODECS[min(codec & 7, len(CODECS) - 1)], has_records)
        at += LENGTH_FROM + length
