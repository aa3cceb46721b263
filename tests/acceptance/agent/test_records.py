"""Records for a foreign producer: as they are meant, and unharmed by the way into the cluster."""

import json

import pytest
from aiokafka.record.default_records import (  # type: ignore[import-untyped]  # ships no types
    DefaultRecordBatchBuilder,
)

from acceptance.agent.inputs.records import LARGEST_BYTES, Poison, poisons
from acceptance.agent.topic import Record, cloud_event
from acceptance.in_cluster.produce import record

KINDS = poisons("key", "raises")


@pytest.mark.parametrize("poison", KINDS, ids=lambda one: one.name)
def test_a_record_arrives_as_it_was_meant(poison: Poison) -> None:
    sent = record(poison.record.line())
    assert sent["value"] == poison.record.value
    assert sent["key"] == poison.record.key
    assert dict(sent["headers"]) == {name: text.encode() for name, text in poison.record.headers.items()}
    assert poison.id_at(3, 9) == (poison.id or "position:3:9")


def test_an_attribute_of_none_is_left_out() -> None:
    assert "id" not in json.loads(cloud_event(None, "key"))
    assert json.loads(cloud_event("a", "key", 5, traceparent=1))["traceparent"] == 1


def test_the_largest_record_is_as_large_as_a_broker_takes() -> None:
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=0, is_transactional=0, producer_id=1, producer_epoch=0, base_sequence=0, batch_size=1
    )
    builder.append(0, timestamp=1_700_000_000_000, key=None, value=b"x" * LARGEST_BYTES, headers=[])
    assert len(builder.build()) == 1_048_588


def test_a_key_and_a_partition_are_optional() -> None:
    assert record(Record(b"a").line()) == {"value": b"a", "key": None, "headers": [], "partition": None}
