"""Records as producers of other teams and other languages write them: good ones, odd ones, and what no one can read."""

import json
import random
import string
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from acceptance.agent.topic import Record

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


def records(seed: int, count: int, prefix: str) -> Iterator[Foreign]:
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
