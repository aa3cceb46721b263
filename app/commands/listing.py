"""Dead letters as an operator sees them: a line each, in a table or as JSON."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus

from app import escapes
from app.commands.arguments import Listing
from app.config import Settings
from app.database.pages import Place
from app.database.postgres import Database
from app.dead_letters import table

MAX_REASON = 200
MAX_PADDED = 40
"""Characters; one long name does not make every line long."""
BEGINNING = 1000
"""Bytes of an original that a JSON line has."""


async def list_dead_letters(settings: Settings, listing: Listing) -> str:
    """Dead letters, the latest first, and how many are behind them. ServiceError without the database.

    No character of a line commands a terminal. In the table only the last column has spaces.
    """
    async with Database(settings) as database:
        wanted = (listing.selection, listing.before, listing.limit, BEGINNING)
        letters = await table.page(database, *wanted)
    return "\n".join(map(_object, letters)) if listing.as_json else _table(letters)


def _table(letters: list[dict[str, Any]]) -> str:
    table = [list(COLUMNS), *([of(letter) for of in COLUMNS.values()] for letter in letters)]
    widths = [min(max(map(len, column)), MAX_PADDED) for column in zip(*table, strict=True)][:-1]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in table]
    more = letters[-1]["more"] if letters else 0
    behind = f"; {more} more: BEFORE={_token(letters[-1])}" if more else ""
    return "\n".join([*lines, f"{len(letters)} dead letters, the latest first{behind}"])


def _object(letter: dict[str, Any]) -> str:
    shown = {name: letter[name] for name in ("id", "source", "reason", "attempts", "recorded_at", "replayed_at")} | {
        "key": unquote_plus(letter["key"]),
        "place": letter["place"],
        "complete": letter["size"] is None,
        "bytes": letter["kept"] if letter["size"] is None else letter["size"],
        "beginning": letter["beginning"].decode(errors="replace"),
        "more": letter["more"],
        "before": str(_token(letter)),
    }
    return json.dumps(shown, default=datetime.isoformat)


def _token(letter: dict[str, Any]) -> Place:
    return Place(letter["recorded_at"], letter["position"])


def _time(moment: datetime | None) -> str:
    return "-" if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _cut(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]}\N{HORIZONTAL ELLIPSIS}"


COLUMNS: dict[str, Callable[[dict[str, Any]], str]] = {
    "RECORDED": lambda letter: _time(letter["recorded_at"]),
    "REPLAYED": lambda letter: _time(letter["replayed_at"]),
    "PARTITION:OFFSET": lambda letter: escapes.name(letter["place"] or "-"),
    "ATTEMPTS": lambda letter: str(letter["attempts"]),
    "COMPLETE": lambda letter: "yes" if letter["size"] is None else f"{letter['kept']}/{letter['size']}",
    "ID": lambda letter: escapes.name(letter["id"]),
    "SOURCE": lambda letter: escapes.name(letter["source"] or "-"),
    "KEY": lambda letter: escapes.name(unquote_plus(letter["key"]) or "-"),
    "REASON": lambda letter: _cut(escapes.line(letter["reason"])),
}
