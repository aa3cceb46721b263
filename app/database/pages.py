"""Where a page of an answer ended, for whoever asks for the next one."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple, Self

from app.event.values import check_text


class Place(NamedTuple):
    """Where a page ended: its last row's time, and what tells it from others of that time."""

    time: datetime
    row: str

    def __str__(self) -> str:
        """Write it as a token."""
        return urlsafe_b64encode(json.dumps([self.time.isoformat(), self.row]).encode()).decode()

    @classmethod
    def read(cls, token: str) -> Self:
        """Read a token; ValueError when it is none of ours."""
        try:
            time, row = json.loads(urlsafe_b64decode(token))
            return cls(datetime.fromisoformat(time), check_text(row))
        except (ValueError, TypeError):
            raise ValueError("expected the next_page_token of an answer") from None
