"""What the owner of a topic does to it, with the broker's own tools in the broker's pod."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from acceptance.agent.topic import Topic
from acceptance.harness.faults.faults import Faults
from acceptance.harness.kube.objects import Pod

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
