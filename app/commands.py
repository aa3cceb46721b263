"""What an operator asks of the agent on the command line."""

from app import dead_letters, effects
from app.config import Settings
from app.dapr import TOPIC, Sidecar
from app.database import Database
from app.errors import ServiceError

HEADINGS = ("ID", "PARTITION:OFFSET", "ATTEMPTS", "REASON", "RECORDED", "REPLAYED", "SOURCE", "COMPLETE")


async def list_dead_letters(settings: Settings) -> str:
    """Every dead letter as a line of a table, the oldest first. ServiceError without the database."""
    async with Database(settings) as database:
        letters = await dead_letters.list_all(database)
    table = [HEADINGS, *([_cell(value) for value in letter] for letter in letters)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)


async def replay(settings: Settings, event_id: str) -> str:
    """Publish a dead letter's original record again, all its attempts given back, and say so.

    ServiceError when there is no such dead letter or only its beginning, or without the database or the sidecar.
    """
    async with (
        Database(settings) as database,
        Sidecar(settings) as sidecar,
    ):
        letter = await dead_letters.find(database, event_id)
        if letter is None:
            raise ServiceError(404, f"there is no dead letter {event_id}")
        if letter["size"] is not None:
            place = f"the whole is at {letter['position'].rpartition('/')[0] or 'an unknown position'}"
            raise ServiceError(409, f"only the beginning of {event_id} was kept, of {letter['size']} bytes: {place}")
        # first: the handler takes a failure that it knows for one that is done with
        await effects.forget_failures(database, letter["id"], letter["source"])
        await sidecar.publish(TOPIC, letter["original"], letter["key"])
        await dead_letters.record_replay(database, letter["position"])
    return f"replayed {event_id}: {len(letter['original'])} bytes to {TOPIC}"


def _cell(value: object) -> str:
    # what a foreign producer wrote must not command the terminal
    return "-" if value is None else "".join(one if one.isprintable() else "?" for one in str(value))
