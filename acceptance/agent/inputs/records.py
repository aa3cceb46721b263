"""Records of others: of producers of other teams and languages, and those that brought a consumer down somewhere."""

import json
import random
import string
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from acceptance.agent.topic import Record, cloud_event

TEXTS = (
    "Müller", "日本語", "\U0001f600", "a\tb\n", "\x7f\x9b", "' OR 1=1 --", "\\u0000", "<&>", "\u2028", "", "x" * 5000,
)  # fmt: skip
NUMBERS = (0, -1, 12, 12.0, 1e300, -0.0, 2**53 + 1, 10**30, 0.1)
BROKEN = (b"", b"{", b"null", b"[]", b"7", b'"text"', b"\xff\xfe\x00", b"[" * 9000, b'{"a":NaN}', b"\x1f\x8b\x08\x00")
# Names that mean something to HTTP, to daprd, or to the agent.
HEADERS = (
    "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "host", "expect", "cookie",
    "authorization", "dapr-api-token", "Dapr-API-Token", "dapr-caller-app-id", "__offset", "__Partition", "__topic",
    "traceparent", "tracestate", "baggage", "traceid", "grpc-trace-bin", "x-bin", "two words", "", "ce_id", "Accept",
)  # fmt: skip
KEYS = (None, b"", b"\xff\x00", b"two\nlines", b"%2F", b"k" * 4000, "Schlüssel".encode())
SPOILED: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("id", (None, "", 7, [], "x" * 257, "a\nb")),
    ("source", (None, "", 7, {})),
    ("specversion", (None, "0.3", 1.0)),
    ("type", (None, "", [])),
    ("data", (None, 7, [], "text", {}, {"message": 7}, {"message": "m", "metadata": []})),
    ("datacontenttype", ("application/xml", 7)),
)
HARMLESS: tuple[tuple[str, tuple[Any, ...]], ...] = (
    ("traceparent", (1, None, "no trace", {"a": 1})),
    ("expiration", ("2001-01-01T00:00:00Z", 7)),
    ("time", ("yesterday", 0)),
    ("datacontenttype", ("application/json; charset=utf-8", "application/vnd.acme+json")),
    ("partner", ("acme", [1, 2])),
)


@dataclass(frozen=True)
class Foreign:
    """A record, and what has to become of it: in effect once under `id` of `source`, or on record as given up."""

    kind: str
    record: Record
    id: str
    source: str
    applied: bool


def foreign(seed: int, count: int, prefix: str) -> Iterator[Foreign]:
    """So many records, the same for the same seed but for their ids and keys, which begin with `prefix`."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    for number in range(count):
        kind = chance.choice(tuple(KINDS))
        yield KINDS[kind](chance, f"{prefix}-{number}")


def _event(chance: random.Random, event_id: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": chance.choice(("https://shop.example/orders", "urn:team:b", "/relative", "acme")),
        "type": "com.example.order.created",
        "data": {"message": chance.choice(TEXTS), "metadata": {"key": event_id, "amount": 7, "any": _json(chance, 4)}},
    }


def _json(chance: random.Random, depth: int) -> Any:
    if not depth or chance.random() < 0.4:
        return chance.choice((*TEXTS, *NUMBERS, None, True, False))
    if chance.random() < 0.5:
        return [_json(chance, depth - 1) for _ in range(chance.randrange(4))]
    names = ("".join(chance.choices(string.printable, k=3)) for _ in range(chance.randrange(4)))
    return {name: _json(chance, depth - 1) for name in names}


def _as_record(chance: random.Random, event: dict[str, Any]) -> Record:
    ascii_only = chance.random() < 0.5
    return Record(json.dumps(event, ensure_ascii=ascii_only).encode(), chance.choice(KEYS))


def _good(chance: random.Random, event_id: str) -> Foreign:
    event = _event(chance, event_id)
    return Foreign("structured", _as_record(chance, event), event_id, event["source"], applied=True)


def _base64(chance: random.Random, event_id: str) -> Foreign:
    event = _event(chance, event_id)
    event["data_base64"] = b64encode(json.dumps(event.pop("data")).encode()).decode()
    return Foreign("data_base64", _as_record(chance, event), event_id, event["source"], applied=True)


def _harmless(chance: random.Random, event_id: str) -> Foreign:
    event, (name, values) = _event(chance, event_id), chance.choice(HARMLESS)
    event[name] = chance.choice(values)
    return Foreign(f"odd {name}", _as_record(chance, event), event_id, event["source"], applied=True)


def _spoiled(chance: random.Random, event_id: str) -> Foreign:
    event, (name, values) = _event(chance, event_id), chance.choice(SPOILED)
    source, value = event["source"], chance.choice(values)
    event = {key: one for key, one in {**event, name: value}.items() if one is not None}
    return Foreign(f"spoiled {name}", _as_record(chance, event), event_id, source, applied=False)


def _broken(chance: random.Random, event_id: str) -> Foreign:
    value = chance.choice((*BROKEN, chance.randbytes(chance.randrange(1, 2048))))
    return Foreign("unreadable", Record(value, chance.choice(KEYS)), event_id, "", applied=False)


def _binary_mode(chance: random.Random, event_id: str) -> Foreign:
    headers = {"ce_specversion": "1.0", "ce_id": event_id, "ce_source": "acme", "ce_type": "t"}
    headers["content-type"] = "application/json"
    data = json.dumps({"message": "in binary mode", "metadata": {"key": event_id}}).encode()
    return Foreign("binary mode", Record(data, chance.choice(KEYS), headers), event_id, "acme", applied=False)


def _headed(chance: random.Random, event_id: str) -> Foreign:
    good = _good(chance, event_id)
    names = chance.sample(HEADERS, chance.randrange(1, 6))
    headers = {name: chance.choice(("1", "", "text", "x" * 2000, "two\nlines")) for name in names}
    return Foreign("headers", Record(good.record.value, good.record.key, headers), event_id, good.source, applied=True)


def _large(chance: random.Random, event_id: str) -> Foreign:
    event = _event(chance, event_id)
    # at most six bytes a character once it is escaped, and at most 1 MB in all
    event["data"]["message"] = chance.choice("xé") * chance.randrange(50_000, 150_000)
    return Foreign("large", _as_record(chance, event), event_id, event["source"], applied=True)


KINDS: dict[str, Callable[[random.Random, str], Foreign]] = {
    "structured": _good,
    "base64": _base64,
    "harmless": _harmless,
    "spoiled": _spoiled,
    "broken": _broken,
    "binary mode": _binary_mode,
    "headed": _headed,
    "large": _large,
}


# What a broker takes at most by default, less the frame of a batch of one record.
LARGEST_BYTES = 1_048_588 - 72
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


def poisons(key: str, raising: str) -> list[Poison]:
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
        Poison("the largest record", Record(b"x" * LARGEST_BYTES), reason="not JSON"),
        Poison("one whose handling raises", Record(cloud_event(raising, key)), raising, "RaiseError", ATTEMPTS),
    ]
