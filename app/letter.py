"""A dead letter: an event that was given up, as it is written and as it is read."""

from base64 import b64encode
from contextlib import suppress
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

from app import envelope
from app.dapr import DEAD_LETTER_TOPIC, TOPIC
from app.delivery import MAX_OFFSET, MAX_PARTITION, Delivery
from app.effects import Failure
from app.envelope import MAX_SOURCE
from app.events import DEAD_LETTER_TYPE, MAX_ID
from app.values import check_line, decode_base64

MAX_TOPIC = 249
"""Kafka's own limit."""
BEGINNING = 65536
"""Bytes of an original that is too large for its dead letter."""

Line = Annotated[str, AfterValidator(check_line)]
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
    def passed_over(cls, partition: int, offset: int) -> Self:
        """A record that the sidecar cannot take, and that nobody here has read."""
        return cls(
            id=f"position:{partition}:{offset}",
            reason="passed over by hand: the sidecar could not take it",
            attempts=0,
            partition=partition,
            offset=offset,
            size=0,
        )

    @property
    def position(self) -> str:
        """Where the original is in its topic, if known, and what tells it from others: offsets may start anew."""
        place = "" if self.partition is None or self.offset is None else f"{self.topic}/{self.partition}:{self.offset}/"
        digest = self.sha256 if self.original_base64 is None else sha256(self.original_base64).hexdigest()
        return f"{place}sha256:{digest or f'unknown, {self.size} bytes'}"


def write(delivery: Delivery, reason: str, failure: Failure, *, whole: bool) -> bytes:
    """Write the dead letter of a delivery, with its record as a whole or by reference."""
    record = delivery.record
    if whole:
        original: dict[str, object] = {"original_base64": b64encode(record).decode()}
    elif delivery.unread is None:
        beginning = b64encode(record[:BEGINNING]).decode()
        original = {"size": len(record), "sha256": sha256(record).hexdigest(), "beginning_base64": beginning}
    else:
        original = {"size": delivery.unread}
    data = {
        "id": delivery.id,
        "source": delivery.source,
        "reason": reason,
        "attempts": failure.attempts,
        "first_failed_at": failure.first_failed_at,
        "topic": delivery.topic[:MAX_TOPIC] or TOPIC,
        "partition": delivery.partition,
        "offset": delivery.offset,
        "record_key": delivery.record_key,
    }
    return envelope.write(delivery.id, DEAD_LETTER_TYPE, to_json(data | original))
