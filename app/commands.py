"""What an operator asks of the agent on the command line."""

from app import dead_letters, effects
from app.config import Settings
from app.dapr import TOPIC, Sidecar
from app.database import Database
from app.errors import ServiceError

HEADINGS = ("ID", "PARTITION:OFFSET", "ATTEMPTS", "REASON", "RECORDED", "REPLAYED")


async def list_dead_letters(settings: Settings) -> str:
    """Every dead letter as a line of a table, the oldest first. ServiceError without the database."""
    async with Database(settings) as database:
        letters = await dead_letters.list_all(database)
    table = [HEADINGS, *([_cell(value) for value in letter] for letter in letters)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in table)


async def replay(settings: Settings, event_id: str) -> str:
    """Publish a dead letter's original record again, all its attempts given back, and say so.

    ServiceError when there is no such dead letter, or without the database or the sidecar.
    """
    async with (
        Database(settings) as database,
        Sidecar(settings) as sidecar,
    ):
        letter = await dead_letters.find(database, event_id)
        if letter is None:
            raise ServiceError(404, f"there is no dead letter {event_id}")
        # first: the handler takes a failure that it knows for one that is done with
        await effects.forget_failures(database, event_id)
        await sidecar.publish_record(TOPIC, letter["original"], letter["key"])
        await dead_letters.record_replay(database, letter["position"])
    return f"replayed {event_id}: {len(letter['original'])} bytes to {TOPIC}"


def _cell(value: object) -> str:
    return "-" if value is None else str(value)
