"""What was written or accepted, beside what took effect: of keys that begin with one prefix."""

from dataclasses import dataclass
from typing import Any

from acceptance.agent.database import Database

# of the first transaction nobody knows when it began
APPLIED = """
WITH applied AS (SELECT event_id, applied_at FROM {schema}.effects WHERE key LIKE $1),
ends AS (SELECT min(applied_at) AS first, max(applied_at) AS last FROM applied)
SELECT count(*) AS events, count(DISTINCT event_id) AS different,
    (count(*) FILTER (WHERE applied_at > first) / nullif(extract(epoch FROM last - first), 0))::float8 AS per_s,
    (SELECT sum(count) FROM {schema}.totals WHERE key LIKE $1)::bigint AS counted
FROM applied, ends GROUP BY first, last
"""
# of few rows: to count effects while they are made would take half a core from who makes them
COUNTED = "SELECT coalesce(sum(count), 0)::bigint AS events FROM {schema}.totals WHERE key LIKE $1"
# clients and server are on one machine, and have one clock
MILLISECONDS = """
SELECT {percentiles} FROM (
    SELECT 1000 * (extract(epoch FROM effects.applied_at) - (metadata->>'sent')::numeric) AS ms
    FROM {schema}.effects JOIN {schema}.processed_events AS processed
        ON processed.id = effects.event_id AND processed.source = effects.source
    WHERE effects.key LIKE $1
) AS took
"""
PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
NOTHING = {"events": 0, "different": 0, "counted": 0, "per_s": None}


@dataclass
class Ledger:
    """Events of keys that begin with a prefix, and the schema in which they take effect."""

    prefix: str
    schema: str = "public"
    events: int = 0
    """How many there are to be."""

    def counted(self, database: Database) -> int:
        """How many took effect so far."""
        return int(database.rows(COUNTED.format(schema=self.schema), f"{self.prefix}%")[0]["events"])

    def result(self, database: Database) -> tuple[float, str]:
        """How many took effect a second, from first to last; and what is wrong with them, in words."""
        rows: list[dict[str, Any]] = database.rows(APPLIED.format(schema=self.schema), f"{self.prefix}%", timeout_s=30)
        seen = rows[0] if rows else NOTHING
        is_whole = seen["events"] == seen["different"] == seen["counted"] == self.events
        return seen["per_s"] or 0.0, "" if is_whole else f"{self.events} events expected, seen {seen}"

    def milliseconds(self, database: Database) -> dict[str, float]:
        """How long it took from the request, which wrote the time into its event, to the effect, by percentile."""
        percentiles = ", ".join(
            f"percentile_cont({share}) WITHIN GROUP (ORDER BY ms)::float8 AS {name}"
            for name, share in PERCENTILES.items()
        )
        query = MILLISECONDS.format(schema=self.schema, percentiles=percentiles)
        (row,) = database.rows(query, f"{self.prefix}%", timeout_s=30)
        return {name: row[name] for name in PERCENTILES}
