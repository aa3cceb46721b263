"""What PostgreSQL has of a ledger's events."""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from acceptance.agent.database import Database
from acceptance.harness.errors import NotYetError, UnmetError
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.ledger import ACKNOWLEDGED, Balance, Effect, Write, compare

EFFECTS = """
SELECT event_id AS id, key, amount, extract(epoch FROM applied_at)::float8 AS at FROM effects
WHERE starts_with(key, $1) OR starts_with(event_id, $1) ORDER BY number
"""
NUMBER = "SELECT count(DISTINCT event_id) FROM effects WHERE starts_with(key, $1) OR starts_with(event_id, $1)"
TOTALS = "SELECT key, count, amount FROM totals WHERE starts_with(key, $1)"
ABSORBED = "SELECT coalesce(sum(deliveries - 1), 0)::integer FROM processed_events WHERE starts_with(key, $1)"


@dataclass(frozen=True)
class Audit:
    """Compares a ledger with PostgreSQL; every key of the ledger begins with `prefix`, and nobody else's does."""

    database: Database
    waiting: Waiting
    prefix: str

    def effects(self) -> list[Effect]:
        """What took effect, in the order in which it did, on this machine's monotonic clock."""
        offset = time.monotonic() - time.time()
        return [
            Effect(row["id"], row["key"], row["amount"], row["at"] + offset)
            for row in self.database.rows(EFFECTS, self.prefix)
        ]

    def balance(self, ledger: Mapping[str, Write]) -> Balance:
        """The comparison as it is now."""
        effects = self.effects()
        totals = {row["key"]: (row["count"], row["amount"]) for row in self.database.rows(TOTALS, self.prefix)}
        return compare(ledger, effects, totals)

    def settle(self, ledger: Mapping[str, Write], within_s: float) -> Balance:
        """The comparison once every acknowledged event is applied, or when the time for that is over."""
        acknowledged = sum(one.outcome == ACKNOWLEDGED for one in ledger.values())

        def settled() -> Balance:
            # counted first: to fetch them all again and again would take from what is measured
            if (missing := acknowledged - self.database.value(NUMBER, self.prefix)) > 0:
                raise NotYetError(f"{missing} of {acknowledged} acknowledged events are not applied")
            balance = self.balance(ledger)
            if balance.lost:
                raise NotYetError(f"{balance.lost} of {acknowledged} acknowledged events are not applied")
            return balance

        with suppress(UnmetError):
            return self.waiting.until("every acknowledged event to be applied", settled, within_s, interval_s=0.5)
        return self.balance(ledger)

    def absorbed(self) -> int:
        """How many deliveries came again and had no effect."""
        return int(self.database.value(ABSORBED, self.prefix))
