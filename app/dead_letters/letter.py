"""A dead letter: an event that was given up, as it is written and as it is read."""

from base64 import b64encode
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import to_json

from app.event import envelope
from app.event.data import DEAD_LETTER_TYPE, MAX_ID
from app.event.delivery import MAX_OFFSET, MAX_PARTITION, Delivery
from app.event.envelope import MAX_SOURCE
from app.event.values import LINE, check_line, decode_base64, told
from app.kafka.group import Partition
from app.sidecar.api import DEAD_LETTER_TOPIC, TOPIC

MAX_TOPIC = 249
"""Kafka's own limit."""
MAX_RECORD_BYTES = 1_900_000
"""What our topic of dead letters and the Component's maxMessageBytes take in one record, and some room."""
BEGINNING = 65536
"""Bytes of an original that is too large for its dead letter."""
SMALLER: dict[int | None, int] = {None: BEGINNING, BEGINNING: 0}
"""How much of the original is kept where a topic does not take so much: instead of all its beginning, then none."""

Line = Annotated[str, AfterValidator(check_line), told(LINE)]
Base64 = Annotated[
    bytes, BeforeValidator(decode_base64), WithJsonSchema({"type": "string", "contentEncoding": "base64"})
]


class DeadLetter(BaseModel):
    """An event that was given up, and why; of an original that did not fit, size, digest and beginning."""

    id: Annotated[Line, Field(max_length=MAX_ID)]
    source: Annotated[Line, Field(max_length=MAX_SOURCE)] | None = None
    reason: Line
    attempts: Annotated[int, Field(ge=0, lt=2**31)]
    partition: Annotated[int, Field(ge=0, le=MAX_PARTITION)] | None
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None
    record_key: Line = ""
    original_base64: Base64 | None = None
    beginning_base64: Base64 | None = None
    size: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None = None
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """None also where the original was too large to be read at all."""
    topic: Annotated[Line, Field(max_length=MAX_TOPIC)] = TOPIC

    @model_validator(mode="after")
    def check_original(self) -> Self:
        """Refuse a letter that has its original neither whole nor by reference."""
        if (self.original_base64 is None) == (self.size is None):
            raise ValueError("expected one of original_base64 and size")
        return self

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Read what the handler wrote; any other record was refused by the sidecar and is itself the original."""
        envelope = delivery.envelope
        if isinstance(envelope, dict) and envelope.get("type") == DEAD_LETTER_TYPE:
            with suppress(ValidationError):
                return cls.model_validate(envelope.get("data"))
        return cls.model_construct(
            id=delivery.id,
            source=delivery.source,
            reason="refused by the sidecar" if delivery.unread is None else "larger than any body that is read",
            attempts=0,
            partition=delivery.partition,
            offset=delivery.offset,
            record_key=delivery.record_key,
            original_base64=delivery.record if delivery.unread is None else None,
            size=delivery.unread,
            topic=delivery.topic[:MAX_TOPIC] or DEAD_LETTER_TOPIC,
        )

    @classmethod
    def given_up(cls, delivery: Delivery, reason: str, attempts: int, kept: int | None = None) -> Self:
        """The letter of a delivery that the handler gave up, with so many bytes of its record, all for None."""
        record, whole = delivery.record, kept is None and delivery.unread is None
        is_read = delivery.unread is None
        return cls.model_construct(
            id=delivery.id,
            source=delivery.source,
            reason=reason,
            attempts=attempts,
            partition=delivery.partition,
            offset=delivery.offset,
            # with nothing of the original it is as small as a letter gets
            record_key="" if kept == 0 else delivery.record_key,
            original_base64=record if whole else None,
            beginning_base64=record[:kept] if is_read and not whole else None,
            size=None if whole else len(record) if is_read else delivery.unread,
            sha256=sha256(record).hexdigest() if is_read and not whole else None,
            topic=delivery.topic[:MAX_TOPIC] or TOPIC,
        )

    @classmethod
    def passed_over(cls, partition: Partition, offset: int, last: int, size: int) -> Self:
        """A batch of this size in the log that the sidecar cannot take, and that nobody here has read."""
        return cls(
            id=f"position:{partition.number}:{offset}",
            reason=f"passed over by hand up to offset {last}: the sidecar could not take this batch",
            attempts=0,
            partition=partition.number,
            offset=offset,
            size=size,
            topic=partition.topic,
        )

    @property
    def position(self) -> str:
        """Where the original is in its topic, if known, and what tells it from others: offsets may start anew."""
        place = "" if self.partition is None or self.offset is None else f"{self.topic}/{self.partition}:{self.offset}/"
        digest = self.sha256 if self.original_base64 is None else sha256(self.original_base64).hexdigest()
        return f"{place}sha256:{digest or f'unknown, {self.size} bytes'}"

    def write(self, first_failed_at: datetime, trace: dict[str, str]) -> bytes:
        """Write the record of the dead letter topic, in the trace of its original."""
        fields = {name: b64encode(value).decode() if isinstance(value, bytes) else value for name, value in self}
        data = fields | {"first_failed_at": first_failed_at}
        # an id of its own: an event of the same id, and those of other sources, may have letters too
        told = f"{self.position}\n{self.source}\n{self.id}"
        return envelope.write(sha256(told.encode()).hexdigest(), DEAD_LETTER_TYPE, to_json(data), **trace)
