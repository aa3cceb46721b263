"""What a PostgreSQL server of another encoding than UTF8 can hold."""

import codecs
from collections.abc import Mapping
from typing import NamedTuple

import asyncpg

from app import escapes
from app.errors import ServiceError

HOLDING_ANY_TEXT = {"UTF8", "SQL_ASCII"}
"""SQL_ASCII takes every byte as it is."""


UNSTORABLE = (asyncpg.UntranslatableCharacterError, asyncpg.CharacterNotInRepertoireError)
"""What the server says about text that its encoding has no characters for."""


class UnstorableTextError(ServiceError):
    """The server cannot hold some text: 422, in its own words."""

    def __init__(self, reason: str) -> None:
        super().__init__(422, f"body: the database cannot hold its text: {reason}")


class Unstorable(NamedTuple):
    """A field whose text a server cannot hold, and what is wrong."""

    field: str
    message: str


def holds_any_text(encoding: str | None) -> bool:
    """Tell whether nothing need be looked for: the server takes every text, or there was no connection to it yet."""
    return encoding is None or encoding in HOLDING_ANY_TEXT


def unstorable(encoding: str | None, texts: Mapping[str, str]) -> Unstorable | None:
    """Find the first field that a server of this encoding cannot hold.

    None when there is none, and where Python does not know the encoding: then the server will tell.
    """
    if encoding is None or holds_any_text(encoding) or (codec := _codec(encoding)) is None:
        return None
    for field, text in texts.items():
        try:
            text.encode(codec)
        except UnicodeEncodeError as error:
            character = text[error.start]
            return Unstorable(field, f"the database ({encoding}) cannot hold U+{ord(character):04X}")
    return None


def escaped(encoding: str | None, text: str) -> str:
    """Write a text so that a server of this encoding holds it, whatever it is: other texts stay other texts."""
    if holds_any_text(encoding):
        return text
    return text.replace("\\", "\\\\").encode("ascii", "backslashreplace").decode()


def unescaped(encoding: str | None, stored: str) -> str:
    """Return the text that `escaped` wrote so for a server of this encoding."""
    return stored if holds_any_text(encoding) else escapes.read(stored)


def _codec(encoding: str) -> str | None:
    """Python's codec of an encoding, by PostgreSQL's name of it."""
    try:
        return codecs.lookup(encoding.replace("WIN", "cp")).name
    except LookupError:
        return None
