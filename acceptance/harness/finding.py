"""A likely cause of a failure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """A likely cause and the command that shows more."""

    cause: str
    look: str
