"""What an operator asks of the agent on the command line."""

from app import dead_letters, effects
from app.config import Settings
from app.dapr import TOPIC, Sidecar
from app.database import Database
from app.errors import ServiceError
from app.letter import MAX_RECORD_BYTES

HEADINGS = ("ID", "PARTITION:OFFSET", "ATTEMPTS", "REASON", "RECORDED", "REPLAYED", "SOURCE", "COMPLETE")


async def list_dead_letters(settings: Settings) -> str:
    """Every dead letter as a line of a table, the oldest first. ServiceError without the database."""
    async with Database(settings) as database:
        letters = await dead_letters.list_all(database)
    table = [HEADINGS, *([_cell(value) for value in letter] for letter in letters)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)


async def replay(settings: Settings, event_id: str, source: str | None = None) -> str:
    """Publish a dead letter's original record again, all its attempts given back, and say so.

    ServiceError when there is no such dead letter, or only its beginning, or one of several sources, none of them
    given; or without the database or the sidecar.
    """
    async with (
        Database(settings) as database,
        Sidecar(settings) as sidecar,
    ):
        if source is None:
            found = await dead_letters.sources(database, event_id)
            if len(found) > 1:
                several = f"{event_id} came from several sources, SOURCE is to name one: {', '.join(found)}"
                raise ServiceError(409, several)
            source = "".join(found)
        letter = await dead_letters.find(database, event_id, source)
        if letter is None:
            raise ServiceError(404, f"there is no dead letter {event_id}{source and f' of {source}'}")
        if letter["size"] is not None:
            place = f"the whole is at {letter['position'].rpartition('/')[0] or 'an unknown position'}"
            raise ServiceError(409, f"only the beginning of {event_id} was kept, of {letter['size']} bytes: {place}")
        if len(letter["original"]) > MAX_RECORD_BYTES:
            raise ServiceError(409, f"{event_id} has {len(letter['original'])} bytes, more than the sidecar sends")
        # first: the handler takes a failure that it knows for one that is done with
        await effects.forget_failures(database, letter["id"], letter["source"])
        await sidecar.publish(TOPIC, letter["original"], letter["key"])
        await dead_letters.record_replay(database, letter["position"])
    return f"replayed {event_id}{source and f' of {source}'}: {len(letter['original'])} bytes to {TOPIC}"


def _cell(value: object) -> str:
    # what a foreign producer wrote must not command the terminal
    return "-" if value is None else "".join(one if one.isprintable() else "?" for one in str(value))
