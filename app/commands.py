"""What an operator asks of the agent on the command line."""

from app import dead_letters, effects, membership
from app.config import Settings
from app.dapr import TOPIC, Sidecar
from app.database import Database
from app.errors import ServiceError
from app.group import Group, Partition
from app.kafka import Kafka
from app.letter import DeadLetter

GROUP_SECONDS = 30
"""The members of a group agree anew when one joins."""
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


async def skip(settings: Settings, partition: str, offset: str) -> str:
    """Let the consumer group go on behind a record that the sidecar cannot take, and put that on record.

    ServiceError when the group does not wait there, or without the database or the brokers.
    """
    for name, value in (("partition", partition), ("offset", offset)):
        if not value.isdecimal():
            raise ServiceError(422, f"{name}: expected a number, got {value!r}")
    place, at = Partition(TOPIC, int(partition)), int(offset)
    async with Database(settings) as database, Kafka(settings.kafka_brokers, GROUP_SECONDS) as kafka:
        group = Group(kafka, settings.kafka_consumer_group)
        position = (await group.positions()).get(place)
        if position is None:
            raise ServiceError(404, f"there is no {place}, or it has no leader")
        waits_at = max(position.committed, position.start)
        if at != waits_at or at == position.end:
            raise ServiceError(409, f"{place} goes on at offset {waits_at} of {position.end}, not at {at}")
        await dead_letters.record(database, DeadLetter.passed_over(place.number, at))
        await membership.go_on(kafka, group, place, at + 1)
    return f"{place} goes on at offset {at + 1}; `make dead-letters` lists the record that was passed over"


def _cell(value: object) -> str:
    # what a foreign producer wrote must not command the terminal
    return "-" if value is None else "".join(one if one.isprintable() else "?" for one in str(value))
