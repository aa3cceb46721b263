"""What an operator may say behind a command about dead letters; a mistake ends the process with the usage."""

import re
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from app.database.pages import Place
from app.dead_letters.selection import Selection
from app.event.delivery import MAX_OFFSET
from app.event.values import check_text

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
LIMIT = 50
MAX_LIMIT = 1000


class Listing(NamedTuple):
    """Which dead letters to list, from which place on, how many at most, and how."""

    selection: Selection
    before: Place | None
    limit: int
    as_json: bool


class Replay(NamedTuple):
    """Which dead letters to send again, how many at most, or only to say which."""

    selection: Selection
    limit: int | None = None
    dry_run: bool = False


def read_listing(arguments: list[str]) -> Listing:
    """Read the arguments of `dead-letters`."""
    parser = _parser("dead-letters", "List dead letters, those recorded last first.")
    parser.add_argument("--before", type=_place, metavar="TOKEN", help="go on behind a page, with the token it told")
    parser.add_argument("--limit", type=_limit, default=LIMIT, metavar="N", help=f"at most so many (default {LIMIT})")
    parser.add_argument("--json", action="store_true", dest="as_json", help="a JSON object a line")
    options = parser.parse_args(arguments)
    return Listing(_selection(options), options.before, options.limit, options.as_json)


def read_replay(arguments: list[str]) -> Replay:
    """Read the arguments of `replay`: without ids it takes a filter, or `--all`, and what was not replayed yet."""
    parser = _parser("replay", "Send the originals of dead letters again, those recorded first first.")
    parser.add_argument("--all", action="store_true", help="whatever the filters leave, also without any")
    parser.add_argument("--limit", type=_number, metavar="N", help="at most so many")
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent, and send nothing")
    options = parser.parse_args(arguments)
    selection = _selection(options)
    if selection == Selection() and not options.all:
        parser.error("which ones? Name ids or a filter, or say --all")
    if not selection.ids and selection.replayed is None:
        selection = selection._replace(replayed=False)
    return Replay(selection, options.limit, options.dry_run)


def _parser(command: str, what: str) -> ArgumentParser:
    parser = ArgumentParser(f"python -m app {command}", description=what, allow_abbrev=False)
    parser.add_argument(
        "ids", nargs="*", type=_text, metavar="ID", help="of events, as they came or as they are listed"
    )
    parser.add_argument("--source", type=_text, help="of the events; empty for those that have none")
    parser.add_argument("--key", type=_text, help="of the records")
    parser.add_argument("--reason", type=_text, metavar="TEXT", help="a part of it, in letters of either case")
    parser.add_argument("--since", type=_moment, metavar="TIME", help="ISO 8601, or 90s, 30m, 2h, 7d for so long ago")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="the same; not that moment itself")
    parser.add_argument("--partition", type=_partition, metavar="TOPIC/NUMBER", help="of the original records")
    parser.add_argument("--offset", type=_number, metavar="N", help="of the original record")
    parser.add_argument("--replayed", type=_yes_or_no, metavar="yes|no", help="whether sent again already")
    return parser


def _selection(options: Namespace) -> Selection:
    chosen = Selection(**{name: getattr(options, name) for name in Selection._fields})
    return chosen._replace(ids=tuple(dict.fromkeys(chosen.ids)))


def _text(text: str) -> str:
    try:
        return check_text(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _moment(text: str) -> datetime:
    if ago := re.fullmatch("([0-9]{1,6})([smhd])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(
            f"expected a time such as 2026-11-23T10:00Z, or 2h for two hours ago: {text!r}"
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _place(token: str) -> Place:
    try:
        return Place.read(token)
    except ValueError:
        raise ArgumentTypeError("expected what the page before it ended with") from None


def _partition(text: str) -> str:
    if not re.fullmatch("[^/ ]+/[0-9]+", text):
        raise ArgumentTypeError(f"expected topic/number, as in the list, got {text!r}")
    return text


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MAX_OFFSET)) or int(text) > MAX_OFFSET:
        raise ArgumentTypeError(f"expected a number, got {text!r}")
    return int(text)


def _limit(text: str) -> int:
    if not 1 <= (number := _number(text)) <= MAX_LIMIT:
        raise ArgumentTypeError(f"expected 1 to {MAX_LIMIT}, got {text!r}")
    return number


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ArgumentTypeError(f"expected yes or no, got {text!r}")
    return text == "yes"
