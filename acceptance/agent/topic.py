"""A topic as a producer, a consumer and its owner see it."""

import json
from base64 import b64encode
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from acceptance.harness.errors import UnmetError
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.objects import Pod
from acceptance.harness.probes.toolbox import Toolbox


@dataclass(frozen=True)
class Record:
    """One record; without a partition the key decides."""

    value: bytes
    key: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    partition: int | None = None

    def line(self) -> str:
        """One line for the program `produce`."""
        told = {
            "value": b64encode(self.value).decode(),
            "key": None if self.key is None else b64encode(self.key).decode(),
            "headers": self.headers,
            "partition": self.partition,
        }
        return json.dumps(told)


def cloud_event(event_id: object, key: str, amount: int = 0, **attributes: object) -> bytes:
    """An event of the agent's as bytes, with attributes of any value in its envelope; one of None is left out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": "acceptance",
        "type": "fastapi-dapr-agent.event",
        "datacontenttype": "application/json",
        "data": {"message": "from another producer", "metadata": {"key": key, "amount": amount}},
    }
    return json.dumps({name: value for name, value in (event | attributes).items() if value is not None}).encode()


PRODUCED_S = 120
ASKED_S = 15


@dataclass(frozen=True)
class Topic:
    """One topic, read in a consumer group of the run's own that leaves no offsets behind."""

    toolbox: Toolbox
    name: str
    group: str

    def offsets(self) -> dict[str, int]:
        """Where each partition ends now. Raises UnmetError when the broker or the topic is away."""

        def ends() -> dict[str, int]:
            offsets: dict[str, int] = self.toolbox.run("topic", "offsets", self._wanted(within_s=0))
            return offsets

        return self.toolbox.waiting.until(f"the end of {self.name}", ends, ASKED_S)

    def find(self, event_id: str, offsets: dict[str, int], within_s: float) -> dict[str, Any] | None:
        """The first record behind `offsets` that carries the id: partition, offset, key, value.

        The time is stretched by the time scale.
        """
        wanted = self._wanted(id=event_id, offsets=offsets, within_s=within_s * self.toolbox.waiting.time_scale)
        found: dict[str, Any] | None = self.toolbox.run("topic", "find", wanted, timeout_s=within_s + 20)
        return found

    def envelope(self, event_id: str, offsets: dict[str, int], within_s: float) -> dict[str, Any]:
        """The event about an id behind some offsets. Raises UnmetError when there is none after `within_s`."""
        found = self.find(f'"{event_id}"', offsets, within_s)
        if not found:
            raise UnmetError(f"a record of {event_id} in {self.name}", "none", within_s)
        envelope: dict[str, Any] = json.loads(found["value"])
        return envelope

    def count(self, event_id: str, offsets: dict[str, int]) -> int:
        """How many records behind `offsets`, up to where the topic ends now, carry the id."""
        found: int = self.toolbox.run("topic", "count", self._wanted(id=event_id, offsets=offsets, within_s=ASKED_S))
        return found

    def write(self, records: list[Record]) -> list[tuple[int, int]]:
        """Partition and offset of each record, once the broker has them all. Raises KubectlError if it refuses one."""
        lines = "\n".join(record.line() for record in records)
        places = self.toolbox.run("produce", self._wanted(), timeout_s=PRODUCED_S, stdin=lines)
        return [(partition, offset) for partition, offset in places]

    def inflate(self, partition: int, codec: str, mib: int) -> dict[str, Any]:
        """What the broker says (error, offset, bytes) to a compressed batch that unpacks to so many MiB."""
        wanted = self._wanted(partition=partition, codec=codec, mib=mib)
        answer: dict[str, Any] = self.toolbox.run("inflate", wanted, timeout_s=PRODUCED_S)
        return answer

    def _wanted(self, **more: object) -> str:
        return json.dumps({"group": self.group, "topic": self.name, **more})


# A small heap: the broker's container has little to spare.
TOOL = "KAFKA_HEAP_OPTS=-Xmx64m exec /opt/kafka/bin"
# Arguments of each: brokers, topic, and what the comment says.
DELETE = f'{TOOL}/kafka-topics.sh --bootstrap-server "$1" --delete --topic "$2"'
# the number of partitions
CREATE = f"""{TOOL}/kafka-topics.sh --bootstrap-server "$1" --create --if-not-exists --topic "$2" --partitions "$3" \
    --config compression.type=uncompressed"""
# a codec, `producer` or `uncompressed`
COMPRESS = f"""{TOOL}/kafka-configs.sh --bootstrap-server "$1" --alter --entity-type topics --entity-name "$2" \
    --add-config compression.type="$3" """
# partitions; offset -1 means all that is there
EMPTY = f"""
brokers=$1 topic=$2
shift 2
for partition; do
    places="${{places:+$places, }}{{\\"topic\\": \\"$topic\\", \\"partition\\": $partition, \\"offset\\": -1}}"
done
echo "{{\\"version\\": 1, \\"partitions\\": [$places]}}" >/tmp/emptied.json
{TOOL}/kafka-run-class.sh org.apache.kafka.tools.DeleteRecordsCommand --bootstrap-server "$brokers" \
    --offset-json-file /tmp/emptied.json
"""


@dataclass(frozen=True)
class Broker:
    """A broker that is ours, and one topic there."""

    faults: Faults
    pod: Pod
    brokers: str
    topic: Topic

    def run(self, script: str, *arguments: str) -> None:
        """Run one of the scripts. Raises KubectlError when it fails."""
        self.faults.cluster.execute(**self._call(script, arguments))

    def promised(self, script: str, *arguments: str) -> AbstractContextManager[None]:
        """Run one of the scripts after a block, in any case."""
        return self.faults.journal.promised("exec", **self._call(script, arguments))

    def _call(self, script: str, arguments: tuple[str, ...]) -> dict[str, Any]:
        whole = [self.brokers, self.topic.name, *arguments]
        return {"namespace": self.pod.namespace, "pod": self.pod.name, "script": script, "arguments": whole}
