"""Headers of batches, read without unpacking what is in them."""

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]  # it ships no types
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder  # type: ignore[import-untyped]  # it ships no types

from app.kafka.batches import Batch, read
from tests.app.batches import batch

CODECS = [(0, "uncompressed"), (1, "gzip"), (2, "snappy"), (3, "lz4"), (4, "zstd")]


@pytest.mark.parametrize(("attributes", "codec"), CODECS)
def test_a_batch_tells_its_last_offset_size_and_codec(attributes: int, codec: str) -> None:
    log = batch(40, [b"a", b"b", b"c"], attributes)
    assert list(read(log)) == [Batch(40, 42, len(log), codec, has_records=True)]


def test_a_mark_of_a_transaction_and_an_empty_batch_hold_nothing_for_a_consumer() -> None:
    log = batch(40, [b"mark"], attributes=0x30) + batch(41, []) + batch(42, [b"a"])
    assert [(one.last, one.has_records) for one in read(log)] == [(40, False), (41, False), (42, True)]


@pytest.mark.parametrize("left", [0, 1, 60])
def test_a_log_that_was_cut_short_is_read_as_far_as_it_goes(left: int) -> None:
    first = batch(40, [b"a"])
    assert [one.last for one in read(first + batch(41, [b"b"])[:left])] == [40]


def test_the_size_of_a_batch_whose_end_is_missing_is_known() -> None:
    log = batch(40, [b"x" * 1000], attributes=1)
    assert list(read(log[:100])) == [Batch(40, 40, len(log), "gzip", has_records=True)]


def test_a_message_of_old_times_is_a_record() -> None:
    builder = LegacyRecordBatchBuilder(magic=1, compression_type=0, batch_size=10_000)
    builder.append(0, timestamp=1, key=None, value=b"x" * 100)
    (one,) = read(bytes(builder.build()))
    assert (one.last, one.codec, one.has_records) == (0, "uncompressed", True)


def test_what_aiokafka_compresses_is_read_alike() -> None:
    builder = DefaultRecordBatchBuilder(2, 1, 0, -1, -1, -1, 100_000)
    builder.append(0, timestamp=1, key=None, value=b"x" * 50_000, headers=[])
    log = bytes(builder.build())
    assert len(log) < 1000
    assert list(read(log)) == [Batch(0, 0, len(log), "gzip", has_records=True)]
