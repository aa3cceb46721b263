"""What text and JSON may hold so that Dapr, Kafka and PostgreSQL all carry it unchanged."""

import math
import re
import sys
from base64 import b64decode
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, Field

MAX_INTEGER = 2**53
MAX_NUMBER = sys.float_info.max
MAX_DEPTH = 64
# read alike by Python and by JSON Schema's dialect, where $ is not the end of Python's
TEXT = r"^[^\u0000]*$"
LINE = r"^[^\u0000-\u001f\u007f]*(?![\s\S])"
NAME = r"^[^\u0000-\u001f\u007f-\u009f]*(?![\s\S])"
IS_TEXT, IS_LINE, IS_NAME = (re.compile(pattern).match for pattern in (TEXT, LINE, NAME))


def check_unicode(text: str) -> str:
    """Return the text; ValueError when UTF-8 cannot encode it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain a lone surrogate") from None
    return text


def check_text(text: str) -> str:
    """Return the text; ValueError when PostgreSQL cannot store it."""
    if not IS_TEXT(text):
        raise ValueError("must not contain the character NUL")
    return check_unicode(text)


def check_line(text: str) -> str:
    """Return the text; ValueError when it holds control characters, which an HTTP header cannot carry."""
    if not IS_LINE(text):
        raise ValueError("must not contain control characters")
    return check_unicode(text)


def check_name(text: str) -> str:
    """Return the text; ValueError when it holds control characters, also those that only a terminal obeys."""
    if not IS_NAME(text):
        raise ValueError("must not contain control characters")
    return check_unicode(text)


def check_number(number: float) -> None:
    """ValueError for a number that not every reader of JSON can hold."""
    if not math.isfinite(number) if isinstance(number, float) else abs(number) > MAX_NUMBER:
        raise ValueError("must not contain a number out of range")


def check_dapr_number(number: float) -> None:
    """ValueError for a number that daprd would change or refuse."""
    if isinstance(number, int) and abs(number) > MAX_INTEGER:
        raise ValueError("must not contain an integer beyond 2^53: Dapr would change it")
    check_number(number)


def check_json(
    value: object,
    check_string: Callable[[str], str] = check_unicode,
    check_one: Callable[[float], None] = check_dapr_number,
) -> object:
    """Return the JSON value; ValueError when a text or number in it fails its check, or it is nested too deep."""
    pending: list[tuple[object, int]] = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise ValueError(f"must not be nested deeper than {MAX_DEPTH} levels")
        if isinstance(item, dict):
            pending += [(part, depth + 1) for pair in item.items() for part in pair]
        elif isinstance(item, list):
            pending += [(part, depth + 1) for part in item]
        elif isinstance(item, str):
            check_string(item)
        elif isinstance(item, int | float):
            check_one(item)
    return value


def decode_base64(text: object) -> bytes:
    """Return the bytes; ValueError when the value is no base64 text."""
    if not isinstance(text, str):
        raise ValueError("must be base64 text")  # noqa: TRY004 - pydantic takes a TypeError for a mistake of ours
    return b64decode(text, validate=True)


def told(pattern: str) -> Any:  # noqa: ANN401 - what pydantic takes
    """Tell a pattern in the JSON Schema of a text whose check is by a function, which can say more."""
    return Field(json_schema_extra={"pattern": pattern})


Text = Annotated[str, AfterValidator(check_text), told(TEXT)]
JsonValue = Annotated[Any, AfterValidator(check_json)]
