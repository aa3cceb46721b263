"""Records that a sidecar never comes to deliver, handled in its place."""

import json
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import quote

from app.consume import effects
from app.database.postgres import Database
from app.dead_letters import table
from app.dead_letters.letter import DeadLetter
from app.errors import ServiceError
from app.event.delivery import MAX_RECORD_KEY, WRAPPER_TYPE, Delivery, IndigestibleError
from app.kafka.group import Partition
from app.kafka.records import Record
from app.server.limits import LIMITS_BYTES
from app.sidecar.api import DEAD_LETTER_TOPIC, PUBSUB, SUBSCRIPTIONS

LIMITS = {subscription["topic"]: LIMITS_BYTES[subscription["route"]] for subscription in SUBSCRIPTIONS}


async def hand_over(database: Database, partition: Partition, records: Iterable[Record], max_attempts: int) -> None:
    """Apply records in their order, or give them up, each once however often this is begun.

    ServiceError at one that raises, until that was its last attempt, and while the database is away.
    """
    for record in records:
        delivery = _delivery(partition, record)
        try:
            if partition.topic == DEAD_LETTER_TOPIC:
                await table.record(database, DeadLetter.of(delivery))
            else:
                await effects.apply(database, effects.change(delivery, database.encoding))
        except ServiceError:
            raise
        except IndigestibleError as error:
            await _give_up(database, delivery, str(error), 1)
        except Exception as error:
            attempts = await _give_up(database, delivery, repr(error), max_attempts)
            if attempts < max_attempts:
                where = f"attempt {attempts} of {max_attempts} with the record at offset {record.offset} of {partition}"
                raise ServiceError(500, f"{where} raised {error!r}: nothing was passed over") from error


async def _give_up(database: Database, delivery: Delivery, reason: str, max_attempts: int) -> int:
    """Count a failed attempt and, if it was the last, put the event on record; return how many there were."""
    failure = await effects.record_failure(database, delivery, reason)
    if failure.attempts >= max_attempts:
        # the sidecar, which would take it to its topic, may be away for the very batch behind it
        await table.record(database, DeadLetter.given_up(delivery, failure.reason, failure.attempts))
        await effects.end_failure(database, delivery)
    return failure.attempts


def wrap(topic: str, record: bytes) -> bytes:
    """Make the body that daprd would deliver of a record."""
    wrapped = {
        "type": WRAPPER_TYPE,
        "topic": topic,
        "pubsubname": PUBSUB,
        "data_base64": b64encode(record).decode(),
    }
    return json.dumps(wrapped).encode()


def _delivery(partition: Partition, record: Record) -> Delivery:
    body, unread = wrap(partition.topic, record.value or b""), None
    if len(body) > LIMITS[partition.topic]:  # the agent would not read it either
        body, unread = b"", len(body)
    key = quote(record.key or b"", safe="")
    return Delivery(
        body, partition.topic, partition.number, record.offset, key if len(key) <= MAX_RECORD_KEY else "", unread
    )
