"""A record that no sidecar can take, on a topic whose owner lets everything in."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple
from uuid import uuid4

from acceptance.agent.contract import named
from acceptance.agent.database import Database
from acceptance.agent.effects import Effects, in_table
from acceptance.agent.system import System
from acceptance.agent.topic import COMPRESS, EMPTY, Broker, Record, Topic, cloud_event
from acceptance.harness.errors import KubectlError, expect
from acceptance.harness.faults.faults import Faults
from acceptance.harness.suite.catalogue import proves
from acceptance.harness.suite.judge import Judge
from acceptance.harness.suite.numbers import count, took
from acceptance.harness.watching.timeline import Timeline

SENT_TO_ITS_START = re.compile(r"was made anew, so the group was sent to its start, (\d+)")
PARTITION, UNPACKED_MIB, RECORDS = 0, 300, 2


@proves("endurance-record-too-large")
def test_a_record_that_no_sidecar_can_take_is_named_and_can_be_passed_over(
    system: System, database: Database, topic: Topic, faults: Faults, effects: Effects, watched: Timeline, judge: Judge
) -> None:
    ids = [uuid4().hex for _ in range(2)]
    between, behind = (Record(cloud_event(one, effects.key), partition=PARTITION) for one in ids)
    with poisoned(faults, system, topic, watched, between) as (first, second):
        topic.write([behind])
        offset = f"at offset {first.offset}"
        noticed = system.until_named(watched, "events", first.at, judge.bound("noticed_s"), offset)
        # what is between them the sidecar fetches together with the second, and so never takes
        for poison, waits_at in ((first, first.offset), (second, second.offset - 1)):
            said = passed_over(system, topic, waits_at, watched, judge.bound("noticed_s"))
            expect(f"at offset {poison.offset + RECORDS}" in said, "`python -m app skip` to say where it goes on", said)
        judge.within("applied_s", "what is between and behind to be applied", partial(effects.require, set(ids)))
    for poison in (first, second):
        on_record = partial(in_table, database, f"position:{PARTITION}:{poison.offset}")
        judge.within("recorded_s", "it to be on record", on_record)
    judge(took("noticed_s", first.at, noticed), count("applied_twice", effects.twice()))


def passed_over(system: System, topic: Topic, offset: int, timeline: Timeline, within_s: float) -> str:
    """What the agent's `skip` said. By hand too it takes two if the topic was made anew since the group committed."""
    place = f"{topic.name}/{PARTITION}"
    try:
        return system.command("skip", place, str(offset))
    except KubectlError as error:
        if not (sent := SENT_TO_ITS_START.search(str(error))):
            raise
    since = timeline.note("fault", "sent", f"the group to offset {sent[1]}")
    naming = partial(named, timeline, "events", since, f"at offset {sent[1]}")
    system.waiting.until(f"/ready to name offset {sent[1]}", naming, within_s)
    return system.command("skip", place, sent[1])


class Poison(NamedTuple):
    """Where the record is in its partition, and since when."""

    offset: int
    at: float


@contextmanager
def poisoned(
    faults: Faults, system: System, topic: Topic, timeline: Timeline, between: Record
) -> Iterator[tuple[Poison, Poison]]:
    """Two batches that unpack to more than the sidecar may take, in a topic that takes what producers compress.

    Afterwards the partition is emptied, for who reads the topic from its start, and the agent's pod is replaced, whose
    sidecar was restarted so often that kubelet would let it wait for minutes the next time.
    """
    broker = Broker(faults, faults.begin(system.kafka)[1][0], system.brokers(), topic)
    pod = system.agent_pod()
    replaced = faults.journal.promised("replace", namespace=pod.namespace, name=pod.name)
    with replaced, broker.promised(EMPTY, str(PARTITION)):
        with broker.promised(COMPRESS, "uncompressed"):
            broker.run(COMPRESS, "producer")
            first = inflated(topic, timeline, "gzip")
            topic.write([between])
            second = inflated(topic, timeline, "zstd")
        yield first, second


def inflated(topic: Topic, timeline: Timeline, codec: str) -> Poison:
    """Such a batch, once it is there."""
    told = topic.inflate(PARTITION, codec, UNPACKED_MIB)
    expect(not told["error"], "the broker to take the record", told)
    at = timeline.note("fault", "written", f"{told['bytes']} bytes of {codec} that unpack to {UNPACKED_MIB} MiB")
    return Poison(told["offset"], at)
