"""Secrets out of everything that is written."""

import re

MASK = "*****"
# A quote, escaped as often as the JSON in JSON that it may stand in.
QUOTE = r"""(?:\\*["'])"""
NAME = r"(?:password|passwd|token|secret|authorization)"
# Up to the quote that it began with, else one word.
VALUE = rf"""(?P<open>{QUOTE})?)(?(open).*?(?=(?P=open)|$)|[^\s"',}}]+)"""
# What gives a secret away, whatever its value: its name, its name in a pair of name and value, its place in an address.
SHAPES = [
    re.compile(shape, re.IGNORECASE | re.MULTILINE)
    for shape in (
        rf"({NAME}{QUOTE}?[ \t]*[:=][ \t]*(?:(?:basic|bearer)[ ]+)?{VALUE}",
        rf"(\bname{QUOTE}?:[ \t]*{QUOTE}?[\w.-]*{NAME}[\w.-]*{QUOTE}?[\s,]+{QUOTE}?value{QUOTE}?:[ \t]*{VALUE}",
        r"""(://[^\s:/@"']*:)[^\s/"']+(?=@)""",
    )
]


class Masking:
    """Replaces known secret values, and values that are called by a secret's name."""

    def __init__(self) -> None:
        self._values: set[str] = set()

    def hide(self, value: str) -> str:
        """Remember a secret, so that it is masked from now on; the secret itself."""
        if value:
            self._values.add(value)
        return value

    def mask(self, text: str) -> str:
        """The text without any secret."""
        for value in sorted(self._values, key=len, reverse=True):
            text = text.replace(value, MASK)
        for shape in SHAPES:
            text = shape.sub(rf"\1{MASK}", text)
        return text
