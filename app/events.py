"""What an event is: the same rules where it is published and where it is consumed."""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Annotated, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from starlette.datastructures import Headers

from app.errors import describe, field_errors
from app.values import MAX_INTEGER, Text, check_json, check_line, check_text

EVENT_TYPE = "fastapi-dapr-agent.event"
DEAD_LETTER_TYPE = "fastapi-dapr-agent.dead-letter"
MAX_ID = 256
MAX_DIGITS = 18
"""Of an offset: any number of 18 digits fits PostgreSQL's bigint."""


def _amount(value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= MAX_INTEGER:
        raise ValueError("must be a number between -2^53 and 2^53")
    return value


Key = Annotated[str, Field(max_length=256), AfterValidator(check_line)]  # daprd hands it on as an HTTP header
Amount = Annotated[int | float, PlainValidator(_amount), WithJsonSchema({"type": "number"})]


class Metadata(BaseModel):
    """Metadata of an event: any JSON object; two of its members mean something."""

    model_config = ConfigDict(extra="allow")

    key: Key = ""
    """Events of one key keep their order and share their totals."""
    amount: Amount = 0

    @model_validator(mode="after")
    def check_extra(self) -> Self:
        """Refuse what PostgreSQL's jsonb cannot hold or Dapr would change."""
        check_json(self.model_extra, check_text)
        return self


class EventData(BaseModel):
    """Data of an event."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"message": "hello", "metadata": {"key": "customer-7", "amount": 12.5}}]}
    )

    message: Text
    metadata: Metadata = Metadata()


class IndigestibleError(Exception):
    """A delivered event that can never be applied, and why."""


@dataclass(frozen=True)
class Delivery:
    """One delivery by daprd: a body of any kind, and the record's position in the topic from the headers."""

    body: bytes
    partition: int | None
    offset: int | None

    @classmethod
    def of(cls, body: bytes, headers: Headers) -> Self:
        """Make a delivery of a request's parts."""
        return cls(body, _number(headers.get("__partition")), _number(headers.get("__offset")))

    @cached_property
    def id(self) -> str:
        """The event's id; one without a usable id gets one that is the same at every redelivery."""
        if isinstance(self._envelope, dict) and _is_id(self._envelope.get("id")):
            return str(self._envelope["id"])
        if self.partition is not None and self.offset is not None:
            return f"position:{self.partition}:{self.offset}"
        return f"sha256:{sha256(self.body).hexdigest()}"

    @cached_property
    def data(self) -> EventData:
        """The event's data; IndigestibleError when there is something wrong with the event, naming it."""
        if isinstance(self._envelope, Exception):
            raise IndigestibleError(f"the body is not JSON: {self._envelope}")
        if not isinstance(self._envelope, dict):
            raise IndigestibleError("the body is not a CloudEvent: not a JSON object")
        if not _is_id(self._envelope.get("id")):
            raise IndigestibleError(f"id: expected 1 to {MAX_ID} characters, no control characters")
        try:
            return EventData.model_validate(self._envelope.get("data"))
        except ValidationError as error:
            raise IndigestibleError(f"data: {describe(field_errors(error.errors()))}") from error

    @property
    def key(self) -> str:
        """The event's key, empty when it has none or cannot be read."""
        try:
            return self.data.metadata.key
        except IndigestibleError:
            return ""

    @cached_property
    def _envelope(self) -> object:
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            return error


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and 0 < len(check_line(value)) <= MAX_ID
    except ValueError:
        return False


def _number(header: str | None) -> int | None:
    return int(header) if header and header.isdecimal() and len(header) <= MAX_DIGITS else None
