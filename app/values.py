"""What text and JSON may hold so that Dapr, Kafka and PostgreSQL all carry it unchanged."""

import math
from base64 import b64decode
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator

MAX_INTEGER = 2**53
MAX_DEPTH = 64


def check_unicode(text: str) -> str:
    """Return the text; ValueError when UTF-8 cannot encode it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must not contain a lone surrogate") from None
    return text


def check_text(text: str) -> str:
    """Return the text; ValueError when PostgreSQL cannot store it."""
    if "\0" in text:
        raise ValueError("must not contain the character NUL")
    return check_unicode(text)


def check_line(text: str) -> str:
    """Return the text; ValueError when it holds control characters, which an HTTP header cannot carry."""
    if any(character < " " or character == "\x7f" for character in text):
        raise ValueError("must not contain control characters")
    return check_unicode(text)


def check_json(value: object, check_string: Callable[[str], str] = check_unicode) -> object:
    """Return the JSON value; ValueError when daprd or another JSON reader would change or refuse it."""
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
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError("must not contain a number out of range")
        elif isinstance(item, int) and abs(item) > MAX_INTEGER:
            raise ValueError("must not contain an integer beyond 2^53: Dapr would change it")
    return value


def size_in_go(text: bytes) -> int:
    """Bytes of a JSON text once daprd has written it anew: Go escapes what HTML or JavaScript could misread."""
    html = sum(map(text.count, (b"<", b">", b"&")))
    separators = sum(map(text.count, (b"\xe2\x80\xa8", b"\xe2\x80\xa9")))
    return len(text) + 5 * html + 3 * separators


def decode_base64(text: object) -> bytes:
    """Return the bytes; ValueError when the value is no base64 text."""
    if not isinstance(text, str):
        raise ValueError("must be base64 text")  # noqa: TRY004 - pydantic takes a TypeError for a mistake of ours
    return b64decode(text, validate=True)


Text = Annotated[str, AfterValidator(check_text)]
JsonValue = Annotated[Any, AfterValidator(check_json)]
