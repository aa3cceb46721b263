"""An event as daprd delivers it."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from pydantic import ValidationError
from pydantic_core import from_json

from app import SERVICE
from app.errors import describe, field_errors
from app.event.data import MAX_ID, EventData
from app.event.envelope import MAX_SOURCE, Envelope, read_json, trace
from app.event.values import check_name, decode_base64

MAX_PARTITION, MAX_OFFSET = 2**31 - 1, 2**63 - 1
"""Any record may carry a header of daprd's own names, with any value."""
MAX_RECORD_KEY = 4096
"""A longer one is not kept: a dead letter must fit its topic."""
WRAPPER = {"topic", "pubsubname", "data_base64"}
WRAPPER_TYPE = "com.dapr.event.sent"


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
    unread: int | None = None
    """The size of a body that was too large to be read, in bytes; 0 when that was not told."""

    @classmethod
    def of(cls, body: bytes | None, received: Sequence[tuple[bytes, bytes]]) -> Self:
        """Make a delivery of a request's parts; without a body, that was too large to be read."""
        # of a header that is there twice, the first
        headers = {name: value.decode("latin-1") for name, value in reversed(received)}
        record_key = headers.get(b"__key", "")
        return cls(
            body or b"",
            headers.get(b"__topic", ""),
            _number(headers.get(b"__partition", ""), MAX_PARTITION),
            _number(headers.get(b"__offset", ""), MAX_OFFSET),
            record_key if len(record_key) <= MAX_RECORD_KEY else "",
            _number(headers.get(b"content-length", ""), MAX_OFFSET) or 0 if body is None else None,
        )

    @property
    def record(self) -> bytes:
        """The record as it is in the topic."""
        return self._unwrapped[0]

    @cached_property
    def id(self) -> str:
        """The event's id; one without a usable id gets one that is the same at every redelivery."""
        if event_id := self._name("id", MAX_ID):
            return event_id
        if self.partition is not None and self.offset is not None:
            return f"position:{self.partition}:{self.offset}"
        return f"sha256:{sha256(self.record).hexdigest()}"

    @cached_property
    def source(self) -> str | None:
        """The event's source, None when it has none or none that is usable."""
        return self._name("source", MAX_SOURCE)

    @cached_property
    def data(self) -> EventData:
        """The event's data; IndigestibleError when there is something wrong with the event, naming it."""
        if self.unread is not None:
            raise IndigestibleError(f"the body is larger than any that is read: {self.unread} bytes")
        if isinstance(self.envelope, Exception):
            raise IndigestibleError(f"the body is not JSON: {self.envelope}")
        if not isinstance(self.envelope, dict):
            raise IndigestibleError("the body is not a CloudEvent: not a JSON object")
        try:
            return Envelope.model_validate(self.envelope).content
        except ValidationError as error:
            raise IndigestibleError(describe(field_errors(error.errors()))) from error

    @property
    def failure_digest(self) -> bytes:
        """What tells failures under the same id: by source and data, or by the whole record when those cannot be read.

        That of our own events is the one that the version before this one makes.
        """
        try:
            digest = self.data.digest
        except IndigestibleError:
            digest = sha256(self.record + (b"%d" % self.unread if self.unread else b"")).digest()
        return digest if self.source in (None, SERVICE) else sha256(f"{self.source}\n".encode() + digest).digest()

    @property
    def key(self) -> str:
        """The event's key, empty when it has none or cannot be read."""
        try:
            return self.data.metadata.key
        except IndigestibleError:
            return ""

    @property
    def trace(self) -> dict[str, str]:
        """Attributes of the trace the event was published in, none when it names none that can be read."""
        event = self.envelope if isinstance(self.envelope, dict) else {}
        return trace(event.get("traceparent"), event.get("tracestate"))

    @property
    def envelope(self) -> Any:  # noqa: ANN401 - any JSON, or the error of reading it
        """The record as JSON, the error when it is none."""
        return self._unwrapped[1]

    @cached_property
    def _unwrapped(self) -> tuple[bytes, Any]:
        """With `rawPayload` the body is an envelope of daprd's own; whatever is in it is the record, unwrapped once."""
        body = _parse_quickly(self.body)
        if isinstance(body, dict) and body.get("type") == WRAPPER_TYPE and body.keys() >= WRAPPER:
            with suppress(ValueError):
                record = decode_base64(body["data_base64"])
                return record, _parse(record)
        return self.body, _parse(self.body)

    def _name(self, member: str, longest: int) -> str | None:
        value = self.envelope.get(member) if isinstance(self.envelope, dict) else None
        try:
            return value if isinstance(value, str) and 0 < len(check_name(value)) <= longest else None
        except ValueError:
            return None


def _parse_quickly(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Parse what is only looked into: some numbers lose digits, some texts are none."""
    try:
        return from_json(text)
    except ValueError:
        return _parse(text)


def _parse(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return read_json(text)
    except ValueError as error:
        return error


def _number(header: str, largest: int) -> int | None:
    digits = header.isdecimal() and len(header) <= len(str(largest))
    return int(header) if digits and int(header) <= largest else None
