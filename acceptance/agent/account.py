"""What became of published events, told by PostgreSQL and by the dead letter topic."""

from collections import Counter

from acceptance.agent.database import Database
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError

APPLIED = "SELECT event_id FROM effects WHERE key = $1"
GAP = """
SELECT coalesce(extract(epoch FROM max(gap)), 0)::float8 FROM (
    SELECT applied_at - lag(applied_at) OVER (ORDER BY applied_at) AS gap FROM processed_events WHERE key = $1
) gaps
"""


class Account:
    """The events of one key, from now on."""

    def __init__(self, database: Database, dead_letters: Topic, key: str) -> None:
        self._database = database
        self._dead_letters = dead_letters
        self._before = dead_letters.offsets()
        self.key = key

    def require_applied(self, event_ids: set[str]) -> None:
        """Raise NotYetError while an event has no effect."""
        missing = event_ids - {row["event_id"] for row in self._database.rows(APPLIED, self.key)}
        if missing:
            raise NotYetError(f"{len(missing)} of {len(event_ids)} events are not applied, such as {min(missing)}")

    def twice(self) -> list[str]:
        """The ids of the effects that there are too many."""
        applied = Counter(row["event_id"] for row in self._database.rows(APPLIED, self.key))
        return [*(applied - Counter(applied.keys())).elements()]

    def dead_lettered(self) -> int:
        """How many events went to the dead letter topic, whoever sent them there."""
        return sum(self._dead_letters.offsets().values()) - sum(self._before.values())

    def longest_gap_s(self) -> float:
        """The longest time in which no event of the key was applied, between its first and its last."""
        return float(self._database.value(GAP, self.key))
