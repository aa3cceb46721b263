"""An event as daprd delivers it."""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from pydantic import ValidationError
from starlette.datastructures import Headers

from app.errors import describe, field_errors
from app.events import MAX_ID, EventData
from app.values import check_line, decode_base64

MAX_PARTITION, MAX_OFFSET = 2**31 - 1, 2**63 - 1
"""Any record may carry a header of daprd's own names, with any value."""
MAX_RECORD_KEY = 4096
"""A longer one is not kept: a dead letter must fit its topic."""
TRACEPARENT = re.compile("[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")


class IndigestibleError(Exception):
    """A delivered event that can never be applied, and why."""


@dataclass(frozen=True)
class Delivery:
    """One delivery by daprd: a body of any kind, and from the headers the record's position and its key."""

    body: bytes
    topic: str
    partition: int | None
    offset: int | None
    record_key: str
    """As daprd writes it into a header: percent-encoded."""

    @classmethod
    def of(cls, body: bytes, headers: Headers) -> Self:
        """Make a delivery of a request's parts."""
        record_key = headers.get("__key", "")
        return cls(
            body,
            headers.get("__topic", ""),
            _number(headers.get("__partition", ""), MAX_PARTITION),
            _number(headers.get("__offset", ""), MAX_OFFSET),
            record_key if len(record_key) <= MAX_RECORD_KEY else "",
        )

    @property
    def record(self) -> bytes:
        """The record as it is in the topic."""
        return self._unwrapped[0]

    @cached_property
    def id(self) -> str:
        """The event's id; one without a usable id gets one that is the same at every redelivery."""
        if isinstance(self.envelope, dict) and _is_id(self.envelope.get("id")):
            return str(self.envelope["id"])
        if self.partition is not None and self.offset is not None:
            return f"position:{self.partition}:{self.offset}"
        return f"sha256:{sha256(self.record).hexdigest()}"

    @cached_property
    def data(self) -> EventData:
        """The event's data; IndigestibleError when there is something wrong with the event, naming it."""
        if isinstance(self.envelope, Exception):
            raise IndigestibleError(f"the body is not JSON: {self.envelope}")
        if not isinstance(self.envelope, dict):
            raise IndigestibleError("the body is not a CloudEvent: not a JSON object")
        if not _is_id(self.envelope.get("id")):
            raise IndigestibleError(f"id: expected 1 to {MAX_ID} characters, no control characters")
        for name in ("specversion", "source", "type"):
            if not isinstance(self.envelope.get(name, ""), str):
                raise IndigestibleError(f"{name}: expected a string")
        try:
            return EventData.model_validate(self.envelope.get("data"))
        except ValidationError as error:
            raise IndigestibleError(f"data: {describe(field_errors(error.errors()))}") from error

    @property
    def digest(self) -> bytes:
        """What tells other data under the same id; of the whole record when its data cannot be read."""
        try:
            return self.data.digest
        except IndigestibleError:
            return sha256(self.record).digest()

    @property
    def key(self) -> str:
        """The event's key, empty when it has none or cannot be read."""
        try:
            return self.data.metadata.key
        except IndigestibleError:
            return ""

    @property
    def traceparent(self) -> str | None:
        """The trace the event was published in, None when it names none that can be read."""
        value = self.envelope.get("traceparent") if isinstance(self.envelope, dict) else None
        return value if isinstance(value, str) and TRACEPARENT.fullmatch(value) else None

    @property
    def envelope(self) -> Any:  # noqa: ANN401 - any JSON, or the error of reading it
        """The record as JSON, the error when it is none."""
        return self._unwrapped[1]

    @cached_property
    def _unwrapped(self) -> tuple[bytes, Any]:
        """With `rawPayload` the body is an envelope of daprd's own; whatever is in it is the record, unwrapped once."""
        body = _parse(self.body)
        if isinstance(body, dict) and "data_base64" in body:
            try:
                record = decode_base64(body["data_base64"])
            except ValueError:
                return self.body, body
            return record, _parse(record)
        return self.body, body


def _parse(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return error


def _is_id(value: object) -> bool:
    try:
        return isinstance(value, str) and 0 < len(check_line(value)) <= MAX_ID
    except ValueError:
        return False


def _number(header: str, largest: int) -> int | None:
    digits = header.isdecimal() and len(header) <= len(str(largest))
    return int(header) if digits and int(header) <= largest else None
