"""Records of producers that nobody here knows, straight into the topic, beside the agent's own events."""

import time
from collections import Counter
from functools import partial
from hashlib import sha256

import pytest

from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.inputs.records import Foreign, foreign
from acceptance.agent.system import System
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import balanced, count, most, took
from acceptance.harness.watching.load import Load, writes

SEED = 20261126
BATCH = 100
PER_SECOND = 20
NAMED = 3
# Since then: what a topic had at these offsets before it was made anew is on record too. But the same bytes at the same
# place are the same dead letter, once for all.
ON_RECORD = """
SELECT "partition", "offset", NULL AS digest FROM processed_events
WHERE "partition" = ANY($1::integer[]) AND applied_at >= $2::text::timestamptz
UNION ALL
SELECT "partition", "offset", CASE WHEN recorded_at < $2::text::timestamptz THEN encode(sha256(original), 'hex') END
FROM dead_letters
WHERE "partition" = ANY($1::integer[])
"""
EFFECTS = "SELECT key, count(*) AS times FROM effects WHERE starts_with(key, $1) GROUP BY key"
Places = dict[tuple[int, int], Foreign]


@proves("scenario-40-foreign-records", "endurance-foreign-records")
@pytest.mark.usefixtures("faults")
@pytest.mark.usefixtures("memory")
def test_every_record_of_a_foreign_producer_is_applied_or_on_record(
    system: System, entry: Entry, database: Database, topic: Topic, load: Load, effects: Effects, judge: Judge
) -> None:
    prefix = f"foreign-{effects.key}"
    places: Places = {}
    since = database.value("SELECT clock_timestamp()")
    with load.sending(writes(system.publish_url(), PER_SECOND, effects.key, keep=True)):
        records = list(foreign(SEED, entry.times, prefix))
        for first in range(0, len(records), BATCH):
            batch = records[first : first + BATCH]
            places |= dict(zip(topic.write([one.record for one in batch]), batch, strict=True))
            on_record = partial(require_on_record, database, places, since)
            judge.within("recorded_s", "every record to be on record", on_record)
    ended = time.monotonic()
    balance = effects.settle(load.ledger(), judge.bound("applied_s"))
    judge(balanced(balance), took("applied_s", ended, time.monotonic()))

    times = {row["key"]: row["times"] for row in database.rows(EFFECTS, prefix)}
    wrong = [f"{one.kind} {one.id}" for one in records if times.get(f"{one.id}", 0) != int(one.applied)]
    judge(count("wrong", wrong), count("records", records))
    for kind, number in sorted(Counter(one.kind for one in records).items()):
        judge(most(f"of {kind}", number))


def require_on_record(database: Database, places: Places, since: str) -> None:
    """Raise NotYetError while PostgreSQL knows nothing of a record."""
    partitions = sorted({partition for partition, _ in places})
    digests = {place: sha256(one.record.value).hexdigest() for place, one in places.items()}
    known = {
        place
        for row in database.rows(ON_RECORD, partitions, since)
        if (place := (row["partition"], row["offset"])) in places and row["digest"] in (None, digests[place])
    }
    if missing := [f"{one.kind} at {place}" for place, one in places.items() if place not in known]:
        raise NotYetError(f"{len(missing)} of {len(places)} are not, such as {', '.join(missing[:NAMED])}")
