"""What may be deleted: rows of a certain age that nothing can bring again, table by table."""

from typing import NamedTuple


def gone(topic: str, partition: str, offset: str) -> str:
    """Make the condition that a record is gone; of a partition that is not known nothing is.

    Its partition's log begins behind it, or has begun anew and not come so far.
    """
    return f"""EXISTS (
            SELECT FROM log WHERE topic = {topic} AND number = {partition}
                AND NOT (first <= {offset} AND {offset} < past)
        )"""


LOG = """
WITH log AS (
    SELECT * FROM unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS log (topic, number, first, past)
), names AS (
    SELECT $5::text AS source, $6::text AS events, $7::text AS letters, $8::timestamptz AS before, $9::integer AS batch
)
"""
# What the outbox has, or a replay could send, stays known, whatever its row is called (app/event/data.py, `other_row`).
EVENTS = f"""
, coming AS (
    SELECT names.source, id FROM outbox, names UNION ALL SELECT coalesce(source, ''), id FROM dead_letters
)
DELETE FROM processed_events WHERE id IN (
    SELECT id FROM processed_events AS event, names
    WHERE applied_at < before
        AND ("partition" IS NULL OR {gone("events", 'event."partition"', 'event."offset"')})
        AND NOT EXISTS (
            SELECT FROM jsonb_each_text(event.redelivered) AS again (place, "offset")
            WHERE NOT {gone("events", "place::integer", 'again."offset"::bigint')}
        )
        AND NOT EXISTS (SELECT FROM coming WHERE coming.id = event.id)
        AND NOT EXISTS (
            SELECT FROM coming
            WHERE encode(sha256(convert_to(coming.source, 'UTF8')), 'hex') || E'\\n' || coming.id = event.id
        )
    LIMIT (SELECT batch FROM names) FOR UPDATE OF event SKIP LOCKED
)
"""  # noqa: S608 - made of the lines above

FAILURES = f"""
DELETE FROM failed_events WHERE (id, digest) IN (
    SELECT id, digest FROM failed_events AS event, names
    WHERE last_failed_at < before
        AND ("partition" IS NULL OR {gone("events", 'event."partition"', 'event."offset"')})
        AND NOT EXISTS (SELECT FROM outbox WHERE outbox.id = event.id)
    LIMIT (SELECT batch FROM names) FOR UPDATE OF event SKIP LOCKED
)
"""  # noqa: S608 - made of the lines above

# As long as the original can come again, its letter says that it may have been replayed.
LETTERS = f"""
DELETE FROM dead_letters WHERE position IN (
    SELECT position FROM dead_letters AS letter, names
    WHERE greatest(recorded_at, replayed_at) < before
        AND {gone("letters", "letter_partition", "letter_offset")}
        AND ("partition" IS NULL OR {gone("split_part(position, '/', 1)", 'letter."partition"', 'letter."offset"')})
    LIMIT (SELECT batch FROM names) FOR UPDATE OF letter SKIP LOCKED
)
"""  # noqa: S608 - made of the lines above

EFFECTS = """
DELETE FROM effects WHERE number IN (
    SELECT effects.number FROM effects, names WHERE applied_at < before
    LIMIT (SELECT batch FROM names) FOR UPDATE OF effects SKIP LOCKED
)
"""


class Rule(NamedTuple):
    """A table, and how those of its rows are deleted that are old enough."""

    table: str
    statement: str

    @property
    def setting(self) -> str:
        """The setting's name: after how many seconds a row is old enough."""
        return f"{self.table}_retention_seconds"


RULES = (
    # first, as an event is kept as long as it has a dead letter
    Rule("dead_letters", LOG + LETTERS),
    Rule("processed_events", LOG + EVENTS),
    Rule("failed_events", LOG + FAILURES),
    Rule("effects", LOG + EFFECTS),
)
