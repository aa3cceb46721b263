"""What became of events, told by PostgreSQL and by the dead letter topic."""

import time
from base64 import b64decode
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from acceptance.agent.database import Database
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError, UnmetError
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.ledger import ACKNOWLEDGED, Balance, Effect, Write, compare, longest_gap_s

EFFECTS = """
SELECT event_id AS id, key, amount, extract(epoch FROM applied_at)::float8 AS at FROM effects
WHERE starts_with(key, $1) OR starts_with(event_id, $1) ORDER BY number
"""
NUMBER = "SELECT count(DISTINCT event_id) FROM effects WHERE starts_with(key, $1) OR starts_with(event_id, $1)"
APPLIED = "SELECT event_id FROM effects WHERE event_id = ANY($1)"
TOTALS = "SELECT key, count, amount FROM totals WHERE starts_with(key, $1)"
RECORDED = "SELECT reason, attempts, encode(original, 'base64') AS original FROM dead_letters WHERE id = $1"
ABSORBED = "SELECT coalesce(sum(deliveries - 1), 0)::integer FROM processed_events WHERE starts_with(key, $1)"


class Effects:
    """What took effect of a test's events: every key of theirs begins with `key`, and nobody else's does."""

    def __init__(self, database: Database, waiting: Waiting, dead_letters: Topic, key: str) -> None:
        self._database = database
        self._waiting = waiting
        self._dead_letters = dead_letters
        self._before = dead_letters.offsets()
        self.key = key

    def all(self) -> list[Effect]:
        """What took effect, in the order in which it did, on this machine's monotonic clock."""
        offset = time.monotonic() - time.time()
        return [
            Effect(row["id"], row["key"], row["amount"], row["at"] + offset)
            for row in self._database.rows(EFFECTS, self.key)
        ]

    def require(self, event_ids: set[str]) -> None:
        """Raise NotYetError while an event has no effect."""
        missing = event_ids - {row["event_id"] for row in self._database.rows(APPLIED, sorted(event_ids))}
        if missing:
            raise NotYetError(f"{len(missing)} of {len(event_ids)} events are not applied, such as {min(missing)}")

    def twice(self) -> list[str]:
        """The ids of the effects that there are too many."""
        times = Counter(one.id for one in self.all())
        return [*(times - Counter(times.keys())).elements()]

    def longest_gap_s(self) -> float:
        """The longest time in which nothing took effect, between the first and the last."""
        return longest_gap_s(self.all())

    def balance(self, ledger: Mapping[str, Write]) -> Balance:
        """A ledger of these events, held against what took effect until now."""
        totals = {row["key"]: (row["count"], row["amount"]) for row in self._database.rows(TOTALS, self.key)}
        return compare(ledger, self.all(), totals)

    def settle(self, ledger: Mapping[str, Write], within_s: float) -> Balance:
        """The same once every acknowledged event is applied, or when the time for that is over."""
        acknowledged = sum(one.outcome == ACKNOWLEDGED for one in ledger.values())

        def settled() -> Balance:
            # counted first: to fetch them all again and again would take from what is measured
            if (missing := acknowledged - self._database.value(NUMBER, self.key)) > 0:
                raise NotYetError(f"{missing} of {acknowledged} acknowledged events are not applied")
            balance = self.balance(ledger)
            if balance.lost:
                raise NotYetError(f"{balance.lost} of {acknowledged} acknowledged events are not applied")
            return balance

        with suppress(UnmetError):
            return self._waiting.until("every acknowledged event to be applied", settled, within_s, interval_s=0.5)
        return self.balance(ledger)

    def absorbed(self) -> int:
        """How many deliveries came again and had no effect."""
        return int(self._database.value(ABSORBED, self.key))

    def dead_lettered(self) -> int:
        """How many events went to the dead letter topic, whoever sent them there."""
        return sum(self._dead_letters.offsets().values()) - sum(self._before.values())


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
    data = dead_letters.envelope(event_id, offsets, within_s)["data"]
    return DeadLetter(data["reason"], data["attempts"], b64decode(data["original_base64"]))
