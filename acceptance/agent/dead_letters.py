"""Events that could not be applied, in the table and the topic of dead letters."""

import json
from base64 import b64decode
from dataclasses import dataclass

from acceptance.agent.database import Database
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, UnmetError

RECORDED = "SELECT reason, attempts, encode(original, 'base64') AS original FROM dead_letters WHERE id = $1"


@dataclass(frozen=True)
class DeadLetter:
    """What is told of a dead-lettered event."""

    reason: str
    attempts: int
    original: bytes


def in_table(database: Database, event_id: str) -> DeadLetter:
    """What PostgreSQL has of it. Raises NotYetError while that is nothing."""
    rows = database.rows(RECORDED, event_id)
    if not rows:
        raise NotYetError(f"{event_id} is not in the table dead_letters")
    return DeadLetter(rows[0]["reason"], rows[0]["attempts"], b64decode(rows[0]["original"]))


def in_topic(dead_letters: Topic, event_id: str, offsets: dict[str, int], within_s: float) -> DeadLetter:
    """What the topic has of it behind some offsets. Raises UnmetError when that is nothing after `within_s`."""
    found = dead_letters.find(f'"{event_id}"', offsets, within_s)
    if not found:
        raise UnmetError(f"a record of {event_id} in {dead_letters.name}", "none", within_s)
    data = json.loads(found["value"])["data"]
    return DeadLetter(data["reason"], data["attempts"], b64decode(data["original_base64"]))
