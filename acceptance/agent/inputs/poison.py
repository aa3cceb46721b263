"""Records that brought a consumer down or held its partition somewhere, and what has to become of each."""

from dataclasses import dataclass
from uuid import uuid4

from acceptance.agent.topic import Record, cloud_event

# What a broker takes at most by default, less the frame of a batch of one record.
LARGEST = 1_048_588 - 72
ATTEMPTS = 3
TRACED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}


@dataclass(frozen=True)
class Poison:
    """A record that is applied after all when there is no reason against it, else dead-lettered.

    Without an id of its own it gets one made of its position in the topic.
    """

    name: str
    record: Record
    id: str = ""
    reason: str = ""
    attempts: int = 1

    def id_at(self, partition: int, offset: int) -> str:
        """The id it is known by once it is in the topic."""
        return self.id or f"position:{partition}:{offset}"


def kinds(key: str, raising: str) -> list[Poison]:
    """One record of each kind, for a key; the handling of the one with id `raising` is expected to raise."""
    traced, keyed, headed, other = (uuid4().hex for _ in range(4))
    return [
        Poison("what is not JSON", Record(b"{not JSON"), reason="not JSON"),
        Poison("a CloudEvent without id", Record(cloud_event(None, key)), reason="id:"),
        Poison("an id that is a number", Record(cloud_event(7, key)), reason="id:"),
        Poison("data that is a number", Record(cloud_event(other, key, data=7)), other, "data:"),
        Poison("traceparent 1", Record(cloud_event(traced, key, traceparent=1)), traced),
        Poison("null with a traceparent", Record(b"null", headers=TRACED), reason="not a CloudEvent"),
        Poison("a newline in the record's key", Record(cloud_event(keyed, key), b"two\nlines"), keyed),
        Poison("a space in a header's name", Record(cloud_event(headed, key), headers={"two words": "1"}), headed),
        Poison("the largest record", Record(b"x" * LARGEST), reason="not JSON"),
        Poison("one whose handling raises", Record(cloud_event(raising, key)), raising, "RaiseError", ATTEMPTS),
    ]
