"""Secrets out of everything that is written."""

import re

MASK = "*****"
# What gives a secret away by its name, whatever its value.
NAMED = re.compile(r"""(?i)(["']?(?:password|passwd|token|secret|authorization)["']?\s*[:=]\s*["']?)([^\s"',}]+)""")


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
        return NAMED.sub(rf"\1{MASK}", text)
