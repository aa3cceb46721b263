"""A record that no sidecar can take, on a topic whose owner lets everything in."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from acceptance.conftest import Bound, Measure, Within
from acceptance.harness import system
from acceptance.harness.account import Account
from acceptance.harness.broker import COMPRESS, EMPTY, Broker
from acceptance.harness.catalogue import proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.database import Database
from acceptance.harness.dead_letters import in_table
from acceptance.harness.errors import expect
from acceptance.harness.faults import Faults
from acceptance.harness.readiness import named
from acceptance.harness.record import Record, cloud_event
from acceptance.harness.timeline import Timeline
from acceptance.harness.topic import Topic
from acceptance.harness.waiting import Waiting

PARTITION, UNPACKED_MIB = 0, 300


@proves("endurance-record-too-large")
def test_a_record_that_no_sidecar_can_take_is_named_and_can_be_passed_over(
    cluster: Cluster,
    database: Database,
    topic: Topic,
    faults: Faults,
    account: Account,
    watched: Timeline,
    waiting: Waiting,
    bound: Bound,
    measure: Measure,
    within: Within,
) -> None:
    event_id = uuid4().hex
    with poisoned(faults, topic, watched) as poison:
        topic.write([Record(cloud_event(event_id, account.key), partition=PARTITION)])
        naming = partial(named, watched, "events", poison.at, f"at offset {poison.offset}")
        noticed = waiting.until(f"/ready to name offset {poison.offset}", naming, bound("noticed_s"))
        said = system.command(cluster, "skip", str(PARTITION), str(poison.offset))
        expect(f"goes on at offset {poison.offset + 1}" in said, "`python -m app skip` to say where it goes on", said)
        within("applied_s", "the event behind it to be applied", partial(account.require_applied, {event_id}))
    within("recorded_s", "it to be on record", partial(in_table, database, f"position:{PARTITION}:{poison.offset}"))
    measure("noticed_s", noticed - poison.at)
    measure("applied_twice", account.twice())


class Poison(NamedTuple):
    """Where the record is in its partition, and since when."""

    offset: int
    at: float


@contextmanager
def poisoned(faults: Faults, topic: Topic, timeline: Timeline) -> Iterator[Poison]:
    """A record that unpacks to more than the sidecar may take, in a topic that takes what producers compress.

    Afterwards the partition is emptied, for who reads the topic from its start, and the agent's pod is replaced, whose
    sidecar was restarted so often that kubelet would let it wait for minutes the next time.
    """
    broker = Broker(faults, faults.begin(system.KAFKA)[1], topic)
    pod = system.agent_pod(faults.cluster)
    replaced = faults.journal.promised("replace", namespace=pod.namespace, name=pod.name)
    with replaced, broker.promised(EMPTY, str(PARTITION)):
        with broker.promised(COMPRESS, "uncompressed"):
            broker.run(COMPRESS, "producer")
            told = topic.inflate(PARTITION, "gzip", UNPACKED_MIB)
            at = timeline.note("fault", "written", f"{told['bytes']} bytes that unpack to {UNPACKED_MIB} MiB")
        expect(not told["error"], "the broker to take the record", told)
        yield Poison(told["offset"], at)
