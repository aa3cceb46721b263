"""Text that somebody else wrote, as it is told on a terminal: nothing in it steers one, and a name can be read back."""

import re

BACKSLASH = "\\"
ESCAPED = re.compile(r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U00(?:0[0-9a-f]|10)[0-9a-f]{4})")


def line(text: str) -> str:
    """Return a text in one line: controls, marks of direction and of lines are escaped; what is printable stays."""
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def name(text: str) -> str:
    """Return a name in one word, that no other name is told by: spaces and backslashes are escaped too."""
    return "".join(one if one.isprintable() and one not in {" ", BACKSLASH} else _escaped(one) for one in text)


def read(told: str) -> str:
    """Return the text that is told so."""
    return ESCAPED.sub(lambda found: BACKSLASH if found[1] == BACKSLASH else chr(int(found[1][1:], 16)), told)


def _escaped(one: str) -> str:
    if one == BACKSLASH:
        return BACKSLASH * 2
    code = ord(one)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004
