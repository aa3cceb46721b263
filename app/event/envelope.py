"""The CloudEvent around an event's data: how it is read, whoever wrote it, and how it is written."""

import json
import re
from codecs import BOM_UTF8
from datetime import UTC, datetime
from decimal import Decimal
from math import inf
from typing import Annotated, Any, Literal, Self, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic_core import to_json

from app import SERVICE
from app.event.data import MAX_ID, EventData
from app.event.values import MAX_INTEGER, NAME, check_name, decode_base64, told

MAX_SOURCE = 1024
MAX_TYPE = 256
# in letters of both cases: not every reader of JSON Schema knows a pattern that ignores case
JSON_TYPE = (
    r"^([aA][pP][pP][lL][iI][cC][aA][tT][iI][oO][nN]/[jJ][sS][oO][nN]|[!-.0-:<-~]+/[!-.0-:<-~]*\+[jJ][sS][oO][nN])"
    r"[ \t]*(;[\s\S]*)?(?![\s\S])"
)
IS_JSON_TYPE = re.compile(JSON_TYPE).match
# not ff, and no part of zeros alone
TRACEPARENT = re.compile("(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
TRACESTATE = re.compile("[ -~]{1,512}")


def read_json(text: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON in UTF-8, whole numbers to their last digit however they are written; ValueError says what is wrong."""
    try:
        return DECODER.decode(text.removeprefix(BOM_UTF8).decode())
    except RecursionError as error:
        raise ValueError(f"nested too deep: {error}") from None


def _number(text: str) -> int | float:
    number = float(text)
    if MAX_INTEGER <= abs(number) < inf and (exact := Decimal(text)) == exact.to_integral_value():
        return int(exact)
    return number


DECODER = json.JSONDecoder(parse_float=_number)


def _check_json_type(text: str) -> str:
    if not IS_JSON_TYPE(text):
        raise ValueError("expected application/json, or a type that ends in +json")
    return text


class Envelope(BaseModel):
    """An event as the agent takes it from `agent-events`: a structured CloudEvent 1.0 in JSON, members may be added."""

    model_config = ConfigDict(extra="ignore")

    specversion: Literal["1.0"]
    id: Annotated[str, Field(min_length=1, max_length=MAX_ID), AfterValidator(check_name), told(NAME)]
    """Unique within the source: source and id together tell an event from others."""
    source: Annotated[str, Field(min_length=1, max_length=MAX_SOURCE), AfterValidator(check_name), told(NAME)]
    type: Annotated[str, Field(min_length=1, max_length=MAX_TYPE)]
    datacontenttype: Annotated[str, AfterValidator(_check_json_type), told(JSON_TYPE)] | None = None
    data: EventData | None = None
    data_base64: (
        Annotated[
            EventData,
            BeforeValidator(lambda text: read_json(decode_base64(text))),
            WithJsonSchema({"type": "string", "contentEncoding": "base64", "contentMediaType": "application/json"}),
        ]
        | None
    ) = None

    @model_validator(mode="after")
    def check_data(self) -> Self:
        """Refuse data that is there twice, or not at all."""
        if (self.data is None) == (self.data_base64 is None):
            raise ValueError("expected one of data and data_base64")
        return self

    @property
    def content(self) -> EventData:
        """The data, however it came."""
        return cast("EventData", self.data or self.data_base64)


def trace(traceparent: object, tracestate: object = None) -> dict[str, str]:
    """Attributes for the trace that a client or a producer names; none when it names none that can be read."""
    if not isinstance(traceparent, str) or not TRACEPARENT.fullmatch(traceparent):
        return {}
    if not isinstance(tracestate, str) or not TRACESTATE.fullmatch(tracestate):
        return {"traceparent": traceparent}
    return {"traceparent": traceparent, "tracestate": tracestate}


def write(event_id: str, event_type: str, data: bytes, **attributes: str) -> bytes:
    """Write an event of our own around data that is JSON already; its time is now unless given."""
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "source": SERVICE,
        "type": event_type,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "datacontenttype": "application/json",
        **attributes,
    }
    return to_json(envelope)[:-1] + b',"data":' + data + b"}"
