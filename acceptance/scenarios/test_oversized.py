"""A record that no sidecar can take, on a topic whose owner lets everything in."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from uuid import uuid4

from acceptance.conftest import Bound, Measure, Within
from acceptance.harness import system
from acceptance.harness.account import Account
from acceptance.harness.catalogue import proves
from acceptance.harness.cluster import Cluster
from acceptance.harness.database import Database
from acceptance.harness.dead_letters import in_table
from acceptance.harness.errors import expect
from acceptance.harness.faults import Faults
from acceptance.harness.readiness import named
from acceptance.harness.record import Record, cloud_event
from acceptance.harness.restart import replaced
from acceptance.harness.timeline import Timeline
from acceptance.harness.topic import Topic
from acceptance.harness.waiting import Waiting

PARTITION, UNPACKED_MIB = 0, 300
RESTARTED_S = 60
COMPRESS = """
KAFKA_HEAP_OPTS=-Xmx64m exec /opt/kafka/bin/kafka-configs.sh --bootstrap-server "$1" --alter \
    --entity-type topics --entity-name "$2" --add-config compression.type="$3"
"""


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
    with taking_what_is_compressed(faults, topic):
        told = topic.inflate(PARTITION, "gzip", UNPACKED_MIB)
    expect(not told["error"], "the broker to take the record", told)
    at = watched.note("fault", "written", f"{told['bytes']} bytes that unpack to {UNPACKED_MIB} MiB")
    try:
        topic.write([Record(cloud_event(event_id, account.key), partition=PARTITION)])
        place = f"at offset {told['offset']}"
        naming = partial(named, watched, "events", at, place)
        measure("noticed_s", waiting.until(f"/ready to name it, {place}", naming, bound("noticed_s")) - at)
    finally:
        said = system.command(cluster, "skip", str(PARTITION), str(told["offset"]))
        # Who reads the topic from its start would fall over it too.
        topic.truncate(PARTITION, told["offset"] + 1)
    expect(f"goes on at offset {told['offset'] + 1}" in said, "`python -m app skip` to say where it goes on", said)
    within("applied_s", "the event behind it to be applied", partial(account.require_applied, {event_id}))
    within("recorded_s", "it to be on record", partial(in_table, database, f"position:{PARTITION}:{told['offset']}"))
    # A container that was restarted so often would wait for minutes the next time.
    replaced(faults, system.AGENT_APP, within_s=RESTARTED_S)
    measure("applied_twice", account.twice())


@contextmanager
def taking_what_is_compressed(faults: Faults, topic: Topic) -> Iterator[None]:
    """The broker takes records of the topic as producers pack them, whatever they unpack to, as it does by default."""
    _, broker = faults.begin(system.KAFKA)
    there = {"namespace": broker.namespace, "pod": broker.name, "script": COMPRESS}
    entry = faults.journal.promise("exec", arguments=[topic.brokers, topic.name, "uncompressed"], **there)
    try:
        faults.cluster.execute(arguments=[topic.brokers, topic.name, "producer"], **there)
        yield
    finally:
        faults.journal.undo(entry)
