"""The way past a batch that no sidecar can take, for an operator."""

from app.commands.handover import hand_over
from app.config import Settings
from app.database.postgres import Database
from app.dead_letters import table
from app.dead_letters.letter import DeadLetter
from app.errors import ServiceError
from app.kafka import batches, membership, records
from app.kafka.connection import TOPICS, Kafka
from app.kafka.group import SIDECAR_BYTES, Group, Partition, Position

GROUP_SECONDS = 30
"""The members of a group agree anew when one joins."""


async def skip(settings: Settings, partition: str, offset: str) -> str:
    """Let the consumer group go on behind what the sidecar cannot take, and say what became of that.

    A sidecar takes what it fetches as a whole or not at all. So the records that can be read are handled here, in their
    order; the first batch that cannot is passed over, on record. The partition is told as `/ready` tells it:
    topic/number. ServiceError when the group does not wait there, or a record raises, or without database or brokers.
    """
    topic, _, number = partition.rpartition("/")
    if topic not in TOPICS or not number.isdecimal():
        raise ServiceError(422, f"partition: expected one of {', '.join(TOPICS)}, /, and a number, got {partition!r}")
    if not offset.isdecimal():
        raise ServiceError(422, f"offset: expected a number, got {offset!r}")
    place, at = Partition(topic, int(number)), int(offset)
    async with Database(settings) as database, Kafka(settings, GROUP_SECONDS) as kafka:
        group = Group(kafka, settings.kafka_consumer_group)
        position = await _position(group, place)
        if position.committed > position.end:
            # a topic made anew: the consumer began at its start, and nobody knows how far it came
            await membership.go_on(kafka, group, place, position.start)
            begins_at = f"{place} was made anew, so the group was sent to its start, {position.start}"
            raise ServiceError(409, f"{begins_at}: nothing was passed over, and /ready tells where it waits")
        waits_at = max(position.committed, position.start)
        if at != waits_at or at == position.end:
            raise ServiceError(409, f"{place} goes on at offset {waits_at} of {position.end}, not at {at}")
        handled, last, letter = await _handle(settings, database, place, at, await _log(group, place, at))
        if (await _position(group, place)).committed != position.committed:
            raise ServiceError(409, f"{place} goes on elsewhere meanwhile: nothing was passed over")
        if letter:
            await table.record(database, letter)
        await membership.go_on(kafka, group, place, last + 1)
    passed_over = "`make dead-letters` lists what was passed over" if letter else "nothing was passed over"
    return f"{place} goes on at offset {last + 1}: {handled} records were handled in the sidecar's place, {passed_over}"


async def _position(group: Group, place: Partition) -> Position:
    position = (await group.positions()).get(place)
    if position is None:
        raise ServiceError(404, f"there is no {place}, or it has no leader")
    return position


async def _log(group: Group, place: Partition, at: int) -> bytes:
    """Fetch what a sidecar would; behind the mark of a transaction the first batch comes whole only if asked for."""
    log = await group.fetch(place, at, SIDECAR_BYTES)
    first = next((one.first for one in batches.read(log) if one.last >= at and one.has_records), at)
    return await group.fetch(place, first, SIDECAR_BYTES) if first > at else log


async def _handle(
    settings: Settings, database: Database, place: Partition, at: int, log: bytes
) -> tuple[int, int, DeadLetter | None]:
    """Handle what can be read: how many records, the last offset of all, and the letter of what is passed over."""
    handled, last = 0, at - 1
    for batch, found in records.waiting(log, at):
        begins, last = last + 1, batch.last
        if found is None:
            return handled, last, DeadLetter.passed_over(place, begins, last, batch.size)
        await hand_over(database, place, found, settings.max_event_attempts)
        handled += len(found)
    # nothing is there to be read: what its place says goes on record
    return (handled, last, None) if last >= at else (0, at, DeadLetter.passed_over(place, at, at, 0))
