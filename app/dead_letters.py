"""What is in the dead letter topic, recorded in PostgreSQL; DependencyUnavailableError while that is away."""

from contextlib import suppress
from hashlib import sha256
from typing import Annotated, Self

from asyncpg import Record
from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError

from app.dapr import DEAD_LETTER_TOPIC, TOPIC
from app.database import Database
from app.delivery import MAX_OFFSET, MAX_PARTITION, Delivery
from app.events import DEAD_LETTER_TYPE, MAX_ID
from app.values import check_line, decode_base64

RECORD = """
INSERT INTO dead_letters (position, "partition", "offset", id, reason, attempts, key, original)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (position) DO NOTHING
"""
LIST = """
SELECT id, coalesce("partition" || ':' || "offset", '') AS position, attempts, reason, recorded_at, replayed_at
FROM dead_letters ORDER BY recorded_at
"""
# of several under one id the one that was not replayed yet, or longest ago
FIND = "SELECT * FROM dead_letters WHERE id = $1 ORDER BY replayed_at NULLS FIRST, recorded_at LIMIT 1"
RECORD_REPLAY = "UPDATE dead_letters SET replayed_at = clock_timestamp() WHERE position = $1"

MAX_TOPIC = 249
"""Kafka's own limit."""

Line = Annotated[str, AfterValidator(check_line)]
Base64 = Annotated[bytes, BeforeValidator(decode_base64)]


class DeadLetter(BaseModel):
    """An event that was given up, and why."""

    id: Annotated[Line, Field(max_length=MAX_ID)]
    reason: Line
    attempts: Annotated[int, Field(ge=0, lt=2**31)]
    partition: Annotated[int, Field(ge=0, le=MAX_PARTITION)] | None
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] | None
    record_key: Line = ""
    original_base64: Base64
    topic: Annotated[Line, Field(max_length=MAX_TOPIC)] = TOPIC

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """Read what the handler wrote; any other record was refused by the sidecar and is itself the original."""
        envelope = delivery.envelope
        if isinstance(envelope, dict) and envelope.get("type") == DEAD_LETTER_TYPE:
            with suppress(ValidationError):
                return cls.model_validate(envelope.get("data"))
        return cls.model_construct(
            id=delivery.id,
            reason="refused by the sidecar",
            attempts=0,
            partition=delivery.partition,
            offset=delivery.offset,
            record_key=delivery.record_key,
            original_base64=delivery.record,
            topic=delivery.topic[:MAX_TOPIC] or DEAD_LETTER_TOPIC,
        )

    @property
    def position(self) -> str:
        """Where the original is in its topic, if known, and what tells it from others: offsets may start anew."""
        place = "" if self.partition is None or self.offset is None else f"{self.topic}/{self.partition}:{self.offset}/"
        return f"{place}sha256:{sha256(self.original_base64).hexdigest()}"


async def record(database: Database, delivery: Delivery) -> DeadLetter:
    """Record a dead letter, once however often it is delivered."""
    letter = DeadLetter.of(delivery)
    async with database.connection() as connection:
        await connection.execute(
            RECORD,
            letter.position,
            letter.partition,
            letter.offset,
            letter.id,
            letter.reason,
            letter.attempts,
            letter.record_key,
            letter.original_base64,
        )
    return letter


async def list_all(database: Database) -> list[Record]:
    """Every dead letter, the oldest first."""
    async with database.connection() as connection:
        return await connection.fetch(LIST)


async def find(database: Database, event_id: str) -> Record | None:
    """Find the dead letter to replay under an id; None when there is none."""
    async with database.connection() as connection:
        return await connection.fetchrow(FIND, event_id)


async def record_replay(database: Database, position: str) -> None:
    """Note that a dead letter was sent again."""
    async with database.connection() as connection:
        await connection.execute(RECORD_REPLAY, position)
