"""Any text on any server: applied, or refused by name."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.database.encoding import escaped, unstorable
from tests.app.client import cloud_event
from tests.app.postgres import PostgresServer
from tests.app.threaded import Agent, in_thread

# the agent's thread uses the module, the inputs do not
pytestmark = pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)
ENCODINGS = ["UTF8", "SQL_ASCII", "LATIN1"]
# EUC_TW is one that Python does not know; of others it has another table in a few places
OTHERS = ["WIN1252", "KOI8R", "EUC_JP", "EUC_TW"]
texts = (
    st.text(max_size=30)
    | st.text(st.characters(exclude_categories=()), max_size=5)
    | st.text("a\u00fc\u20ac\\'\0\n\x9b")
)
numbers = st.integers() | st.floats() | st.sampled_from([10**308, -(10**309), 2**53 + 1, 1.7976931348623157e308])
documents = st.dictionaries(
    texts,
    st.recursive(
        st.none() | st.booleans() | numbers | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
        max_leaves=10,
    ),
    max_size=3,
)


@pytest.fixture(scope="module", params=[*ENCODINGS, *OTHERS])
def encoding(request: pytest.FixtureRequest) -> str:
    """A server's encoding."""
    return str(request.param)


@pytest.fixture(scope="module")
def agent(postgres_server: PostgresServer, encoding: str) -> Iterator[Agent]:
    """An agent on it."""
    with in_thread(postgres_server, encoding) as agent:
        yield agent


def examples(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )


def in_floats(value: object) -> object:
    """JSON whose numbers are floats: PostgreSQL writes them out, also where a float is not that exact."""
    return json.loads(json.dumps(value), parse_int=float)


@examples(75)
@given(document=documents, message=texts, key=texts)
def test_what_is_published_is_applied_or_refused_naming_the_field(
    agent: Agent, encoding: str, document: dict[str, Any], message: str, key: str
) -> None:
    metadata = document | {"key": key}
    answer = agent.publish({"message": message, "metadata": metadata})
    if answer.status_code != 200:
        assert answer.status_code == 422, answer.text
        assert {error["field"].partition(".")[0] for error in answer.json()["errors"]} <= {"message", "metadata"}
        return
    record = agent.sidecar.records[-1][1]
    published = len(agent.sidecar.published)
    assert agent.deliver(record) == {"SUCCESS"}
    seen = agent.get(f"/events/{answer.json()['id']}")
    if len(agent.sidecar.published) > published:
        assert encoding in OTHERS, "it was known, and left to the handler"
        assert "cannot hold" in agent.sidecar.published[-1]["data"]["reason"]
        assert seen["status"] == "dead-lettered"
        return
    assert (seen["status"], seen["message"], seen["key"]) == ("applied", message, key)
    assert in_floats(seen["metadata"]) == in_floats(metadata)
    assert agent.deliver(record) == {"SUCCESS"}
    assert agent.get(f"/events/{answer.json()['id']}")["attempts"] == 2
    assert agent.get("/events", key=key)["events"][0]["message"] == message


@examples(75)
@given(document=documents, message=texts, names=st.tuples(texts, texts))
def test_what_is_delivered_is_applied_or_dead_lettered_naming_the_field(
    agent: Agent, encoding: str, document: dict[str, Any], message: str, names: tuple[str, str]
) -> None:
    event = cloud_event({"message": message, "metadata": document}, id=names[0] + uuid4().hex, source=names[1])
    published = len(agent.sidecar.published)
    assert agent.deliver(event, times=2) == {"SUCCESS"}
    letters = agent.sidecar.published[published:]
    assert len(letters) <= 1, "it was dead-lettered twice"
    if letters:
        reason = letters[0]["data"]["reason"]
        fields = ("id: ", "source: ", "data.message: ", "data.metadata", "message: ", "metadata")
        assert reason.startswith(fields if encoding in ENCODINGS else (*fields, "body: ")), reason
        assert agent.deliver_letter() == "SUCCESS"
    else:
        seen = agent.get(f"/events/{quote(event['id'], safe='')}", source=names[1])
        assert (seen["status"], seen["source"], seen["attempts"]) == ("applied", names[1], 2)
        assert (seen["message"], in_floats(seen["metadata"])) == (message, in_floats(document))


def test_an_encoding_that_is_not_utf8_is_a_warning_and_no_failure(agent: Agent, encoding: str) -> None:
    warning = agent.get("/ready")["checks"]["database"].get("warning")
    assert (warning is None) == (encoding == "UTF8")
    assert warning is None or encoding in warning


@pytest.mark.parametrize("encoding", [*ENCODINGS[2:], *OTHERS], indirect=True, scope="module")
@pytest.mark.usefixtures("encoding")
def test_a_name_that_the_server_cannot_hold_is_dead_lettered_found_and_recorded(agent: Agent) -> None:
    emoji = f"\N{GRINNING FACE}{uuid4().hex}"
    for event in (
        cloud_event({"message": "m"}, id=emoji),
        cloud_event({"message": "m"}, id=f"{emoji[1:]}", source=emoji),
    ):
        assert agent.deliver(event) == {"SUCCESS"}
        assert agent.get(f"/events/{event['id']}", source=event["source"])["status"] == "dead-lettered"
        assert agent.deliver_letter() == "SUCCESS"
    assert agent.get("/events", key=emoji)["events"] == []


@pytest.mark.parametrize(
    ("name", "text", "field"),
    [
        ("UTF8", "\u20ac", None),
        ("SQL_ASCII", "\u20ac", None),
        (None, "\u20ac", None),
        ("LATIN1", "\u00fc", None),
        ("LATIN1", "\u20ac", "text"),
        ("LATIN9", "\u20ac", None),
        ("WIN1252", "\u20ac", None),
        ("WIN1251", "\u00fc", "text"),
        ("EUC_JP", "\u3042", None),
        ("ISO_8859_5", "\u00fc", "text"),
        ("EUC_TW", "\u00fc", None),
    ],
)
def test_what_an_encoding_holds_is_known(name: str | None, text: str, field: str | None) -> None:
    found = unstorable(name, {"good": "a", "text": text})
    assert (found and found.field) == field


def test_what_is_escaped_stays_apart() -> None:
    texts = ["\u00fc", "\\xfc", "\\\\xfc", "\\u00fc", "\U0001f600", "a"]
    assert len({escaped("LATIN1", text) for text in texts}) == len(texts)
    assert all(escaped("LATIN1", text).isascii() for text in texts)
    assert [escaped(name, "\u00fc\\") for name in ("UTF8", "SQL_ASCII")] == ["\u00fc\\"] * 2
