"""Which envelopes are applied, and what is said of the others; docs/events.md has the table."""

import json
from base64 import b64encode
from typing import Any

import httpx
import pytest

from tests.app.client import cloud_event, deliver
from tests.app.sidecar import StandInSidecar, as_delivered

pytestmark = pytest.mark.anyio

DATA = {"message": "m", "metadata": {"key": "k"}}


def encoded(value: object) -> str:
    return b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


APPLIED: dict[str, dict[str, Any]] = {
    "as it should be": {},
    "a media type with parameters": {"datacontenttype": "Application/JSON ; charset=utf-8"},
    "a media type on JSON": {"datacontenttype": "application/vnd.orders.v1+json"},
    "no media type": {"datacontenttype": None},
    "data_base64": {"data": None, "data_base64": encoded(DATA)},
    "data_base64 with a media type": {"data": None, "data_base64": encoded(DATA), "datacontenttype": "text/x+json"},
    "data_base64 of what Dapr marks its own with": {
        "data": None,
        "data_base64": encoded(DATA),
        "type": "com.dapr.event.sent",
        "topic": "agent-events",
        "pubsubname": None,
    },
    "an expired one": {"expiration": "2020-01-01T00:00:00Z", "ttlinseconds": 1},
    "a time that is none": {"time": 7},
    "members that nobody knows": {"comexampleextension": {"a": []}, "x": "\ud800"},
    "members of data that nobody knows": {"data": {**DATA, "colour": "red"}},
    "an id of any letters": {"id": "M\u00fcller \N{GRINNING FACE}/?#%2F", "source": "urn:\u00fc"},
}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no specversion": ({"specversion": None}, "specversion: Field required"),
    "another specversion": ({"specversion": "0.3"}, "specversion: Input should be '1.0'"),
    "a specversion that is a number": ({"specversion": 1.0}, "specversion:"),
    "no source": ({"source": None}, "source: Field required"),
    "an empty source": ({"source": ""}, "source: String should have at least 1"),
    "a long source": ({"source": "x" * 1025}, "source: String should have at most 1024"),
    "a line break in the source": ({"source": "a\nb"}, "source: must not contain control characters"),
    "a line break behind the source": ({"source": "a\n"}, "source: must not contain control characters"),
    "a source that is a number": ({"source": 7}, "source: Input should be a valid string"),
    "no type": ({"type": None}, "type: Field required"),
    "an empty type": ({"type": ""}, "type: String should have at least 1"),
    "a long type": ({"type": "x" * 257}, "type: String should have at most 256"),
    "a command to the terminal in the id": ({"id": "a\x9b2J"}, "id: must not contain control characters"),
    "XML": ({"datacontenttype": "application/xml", "data": "<a/>"}, "datacontenttype: expected application/json"),
    "bytes": ({"datacontenttype": "application/octet-stream"}, "datacontenttype: expected application/json"),
    "a media type that is a number": ({"datacontenttype": 7}, "datacontenttype: Input should be a valid string"),
    "no data": ({"data": None}, "expected one of data and data_base64"),
    "data twice": ({"data_base64": encoded(DATA)}, "expected one of data and data_base64"),
    "data_base64 of another JSON": ({"data": None, "data_base64": encoded([])}, "data_base64: Input should be"),
    "data_base64 of bad data": ({"data": None, "data_base64": encoded({})}, "data_base64.message: Field required"),
    "data_base64 of no JSON": ({"data": None, "data_base64": encoded(b"\xff\x00")}, "data_base64:"),
    "data_base64 of a huge number": ({"data": None, "data_base64": encoded(b"9" * 5000)}, "data_base64:"),
    "data_base64 that is nested too deep": ({"data": None, "data_base64": encoded(b"[" * 99_999)}, "data_base64:"),
    "data_base64 that is none": ({"data": None, "data_base64": "?"}, "data_base64:"),
}


@pytest.mark.parametrize("changes", APPLIED.values(), ids=APPLIED)
async def test_an_envelope_is_applied(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, changes: dict[str, Any]
) -> None:
    event = cloud_event(DATA, **changes)
    assert await deliver(agent, event) == "SUCCESS"
    assert sidecar.published == []
    seen = (await agent.get("/events", params={"key": "k"})).json()["events"]
    found = [one for one in seen if (one["id"], one["source"]) == (event["id"], event["source"])]
    assert [one["metadata"] for one in found] == [{"key": "k"}]


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED)
async def test_an_envelope_is_dead_lettered_naming_the_member(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, changes: dict[str, Any], reason: str
) -> None:
    assert await deliver(agent, cloud_event(DATA, **changes)) == "SUCCESS"
    (letter,) = sidecar.published
    assert reason in letter["data"]["reason"]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (json.dumps(DATA).encode(), "specversion: Field required"),
        (json.dumps([cloud_event(DATA)]).encode(), "not a CloudEvent: not a JSON object"),
        (b"", "not JSON"),
        (b'{"x": ' + b"9" * 5000 + b"}", "not JSON"),
        (json.dumps(cloud_event(DATA)).encode("utf-16"), "not JSON: 'utf-8' codec can't decode"),
        (json.dumps(cloud_event(DATA, x="?")).encode().replace(b"?", b"\xed\xa0\x80"), "not JSON: 'utf-8' codec"),
    ],
    ids=["bare JSON, or binary mode", "batch mode", "a tombstone", "a huge number", "UTF-16", "CESU-8"],
)
async def test_a_record_of_another_kind_is_dead_lettered_by_its_position(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, record: bytes, reason: str
) -> None:
    offset = abs(hash(record)) % 10**9
    assert await deliver(agent, record, 5, offset, ce_id="1", ce_specversion="1.0") == "SUCCESS"
    (letter,) = sidecar.published
    assert letter["data"]["id"] == f"position:5:{offset}"
    assert reason in letter["data"]["reason"]


async def test_bare_json_is_dead_lettered_by_the_id_that_it_has(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    assert await deliver(agent, {"id": "42", **DATA}) == "SUCCESS"
    (letter,) = sidecar.published
    assert (letter["data"]["id"], letter["data"]["source"]) == ("42", None)


async def test_a_byte_order_mark_stands_in_nobodys_way(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    assert await deliver(agent, json.dumps(cloud_event(DATA)).encode("utf-8-sig")) == "SUCCESS"
    assert sidecar.published == []


async def test_a_dead_letter_names_what_dapr_wraps_twice(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    twice = as_delivered(json.dumps(cloud_event(DATA)).encode())
    assert await deliver(agent, twice) == "SUCCESS"
    assert "datacontenttype" in sidecar.published[0]["data"]["reason"]
