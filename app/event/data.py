"""What an event is: the same rules where it is published and where it is consumed."""

import json
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema, model_validator

from app import SERVICE
from app.event.values import LINE, MAX_INTEGER, Text, check_json, check_line, check_number, check_text, told

EVENT_TYPE = "fastapi-dapr-agent.event"
DEAD_LETTER_TYPE = "fastapi-dapr-agent.dead-letter"
MAX_ID = 256
CANONICAL = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _amount(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_INTEGER:
        raise ValueError("must be a number between -2^53 and 2^53")
    return value


# daprd hands it on as an HTTP header
Key = Annotated[str, Field(max_length=256), AfterValidator(check_line), told(LINE)]
Amount = Annotated[
    int | float,
    PlainValidator(_amount),
    WithJsonSchema({"type": "number", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}),
]


class Metadata(BaseModel):
    """Metadata of an event: any JSON object; two of its members mean something."""

    model_config = ConfigDict(extra="allow")

    key: Key = ""
    """Events of one key keep their order and share their totals."""
    amount: Amount = 0

    @model_validator(mode="after")
    def check_extra(self) -> Self:
        """Refuse what PostgreSQL's jsonb cannot hold or another reader of JSON would change."""
        check_json(self.model_extra, check_text, check_number)
        return self


class EventData(BaseModel):
    """Data of an event."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"message": "hello", "metadata": {"key": "customer-7", "amount": 12.5}}]}
    )

    message: Text
    metadata: Annotated[Metadata, Field(json_schema_extra={"default": {}})] = Metadata()

    @cached_property
    def canonical(self) -> str:
        """The data as JSON, without defaults, written in one way however it was written by whoever sent it."""
        metadata = f',"metadata":{self.metadata_json}' if "metadata" in self.model_fields_set else ""
        return f'{{"message":{CANONICAL.encode(self.message)}{metadata}}}'

    @cached_property
    def metadata_json(self) -> str:
        """The metadata as JSON, likewise; not in ASCII, whose escapes a server that is not UTF8 cannot read."""
        return CANONICAL.encode(
            {name: value for name, value in self.metadata if name in self.metadata.model_fields_set}
        )

    @property
    def texts(self) -> dict[str, str]:
        """All the text that the database is to hold, by field."""
        return {"message": self.message, "metadata.key": self.metadata.key, "metadata": self.metadata_json}

    @cached_property
    def digest(self) -> bytes:
        """What tells other data under the same id to the version before this one."""
        return sha256(self.canonical.encode()).digest()


class PublishedData(EventData):
    """Data of an event as a client publishes it: a member that means nothing is a mistake of the client's."""

    model_config = ConfigDict(extra="forbid")


def other_row(source: str, event_id: str) -> str:
    """The row's id of an event whose id another source used first; ids hold no line break, so none is like it."""
    return f"{sha256(source.encode()).hexdigest()}\n{event_id}"


OWN_OTHER_ROW = other_row(SERVICE, "")
"""How the row's id of our own event begins when another source used its id first."""
