"""Records as large as the topic takes, and larger once they are unpacked."""

from functools import partial
from uuid import uuid4

from acceptance.agent.database import Database
from acceptance.agent.effects import Effects
from acceptance.agent.replicas import mebibytes
from acceptance.agent.system import System
from acceptance.agent.topic import Record, Topic, cloud_event
from acceptance.harness.errors import NotYetError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.suite.catalogue import Entry, proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, held, most
from acceptance.harness.watching.timeline import Timeline

BATCH = 20
MEDIUM, LARGE = 240_000, 1_000_000
A_PARTITION = 4
"""Of the large ones, for each partition."""
UNPACKED_MIB = (2, 300)
APPLIED = "SELECT count(*) FROM effects WHERE key = $1"


@proves("scenario-39-large-records", "endurance-large-records")
def test_large_records_that_wait_restart_nothing_and_block_nothing(
    system: System,
    entry: Entry,
    database: Database,
    topic: Topic,
    faults: Faults,
    timeline: Timeline,
    effects: Effects,
    judge: Judge,
) -> None:
    faults.require_steady()
    restarts = system.restarts()
    partitions = sorted(int(number) for number in topic.offsets())
    with faults.killed(system.postgres, timeline, entry.lasts_s):
        wanted = [(MEDIUM, partitions[number % len(partitions)]) for number in range(entry.times)]
        wanted += [(LARGE, partition) for partition in partitions for _ in range(A_PARTITION)]
        for first in range(0, len(wanted), BATCH):
            topic.write([record(effects.key, *one) for one in wanted[first : first + BATCH]])
        told = [topic.inflate(partitions[0], codec, mib) for codec in ("gzip", "zstd") for mib in UNPACKED_MIB]
    expect(all(one["error"] for one in told), "the broker to refuse what unpacks beyond its limit", told)
    judge.within(
        "applied_s", "every record to be applied", partial(require_applied, database, effects.key, len(wanted))
    )
    judge(count("records", wanted), most("dead_lettered", effects.dead_lettered()), held(mebibytes(system)))
    expect(system.restarts() == restarts, f"every container as it was: {restarts}", system.restarts())


def record(key: str, size: int, partition: int) -> Record:
    """An event of about so many bytes."""
    data = {"message": "x" * (size - 500), "metadata": {"key": key, "amount": 7}}
    return Record(cloud_event(uuid4().hex, key, data=data), partition=partition)


def require_applied(database: Database, key: str, count: int) -> None:
    """Raise NotYetError until so many events of a key are in effect."""
    if (applied := database.value(APPLIED, key)) < count:
        raise NotYetError(f"{applied} of {count} are applied")
