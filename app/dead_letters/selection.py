"""Which dead letters an operator means."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from app import escapes
from app.database.encoding import escaped


class Selection(NamedTuple):
    """What a dead letter must meet, all of it; None, and no ids, leave it open. Names are as they came or as listed."""

    ids: tuple[str, ...] = ()
    source: str | None = None
    """Empty for what has no usable one."""
    key: str | None = None
    reason: str | None = None
    """A part of it, in letters of either case."""
    since: datetime | None = None
    """When it was recorded, at the earliest."""
    until: datetime | None = None
    """Before when it was recorded."""
    partition: str | None = None
    """The original's, as topic/number."""
    offset: int | None = None
    replayed: bool | None = None

    def parameters(self, encoding: str | None) -> tuple[object, ...]:
        """Make the parameters of `dead_letters.MATCHING` for a server of this encoding."""
        return (
            [escaped(encoding, one) for one in _meant(self.ids)] or None,
            None if self.source is None else [escaped(encoding, one) for one in _meant([self.source])],
            None
            if self.key is None
            else [how(one) for one in _meant([self.key]) for how in (str, _quoted, quote_plus)],
            self.reason and escaped(encoding, self.reason),
            self.since,
            self.until,
            self.partition and f"{self.partition}:",
            self.offset,
            self.replayed,
        )


def _meant(told: Iterable[str]) -> set[str]:
    return {one for name in told for one in (name, escapes.read(name))}


def _quoted(key: str) -> str:
    """As a key is written by what reads the log itself; daprd writes a space as a plus."""
    return quote(key, safe="")
