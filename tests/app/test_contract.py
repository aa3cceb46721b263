"""What the documents promise is what the agent does."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests import contract
from tests.app.from_schema import ANY, LETTERS, Documents, changed
from tests.app.postgres import PostgresServer
from tests.app.threaded import Agent, in_thread

# the agent's thread uses the module, the inputs do not
pytestmark = pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)
SCHEMA = contract.event_schema()
EVENTS = Documents(SCHEMA).of(SCHEMA).filter(Draft202012Validator(SCHEMA).is_valid)
ODD = (
    ANY
    | st.text(LETTERS, max_size=3)
    | st.sampled_from(
        ["", "a\n", "\0", "\x9b", "x" * 257, "x" * 1025, "1.0", "1", 10**309, -(2**53) - 1, True, [], {}, "e30="]
    )
    | st.sampled_from(["application/json", "text/plain", "A/B+JSON;x", "application/json\n", "+json", "a/+json"])
)


@pytest.fixture(scope="module")
def agent(postgres_server: PostgresServer) -> Iterator[Agent]:
    """An agent that is ready."""
    with in_thread(postgres_server) as agent:
        yield agent


def accepts(event: dict[str, Any]) -> bool:
    """Whether the schema accepts an event, what is in its base64 included, of which schemas only inform."""
    if not Draft202012Validator(SCHEMA).is_valid(event):
        return False
    if event.get("data_base64") is None:
        return True
    inside = SCHEMA | SCHEMA["$defs"]["EventData"]
    del inside["oneOf"]
    try:
        return Draft202012Validator(inside).is_valid(json.loads(b64decode(event["data_base64"], validate=True)))
    except ValueError:
        return False


def is_applied(agent: Agent, event: dict[str, Any]) -> bool:
    """Deliver an event, and tell whether it was applied rather than dead-lettered."""
    before = len(agent.sidecar.published)
    assert agent.deliver(event) == {"SUCCESS"}
    return len(agent.sidecar.published) == before


def examples(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=[*HealthCheck]
    )


def unique(event: dict[str, Any]) -> dict[str, Any]:
    """The event under an id and a source of its own, of which a change may spoil one."""
    return event | {"id": uuid4().hex + event["id"][32:], "source": uuid4().hex + event["source"][32:]}


@pytest.mark.parametrize("path", contract.written(), ids=lambda path: path.name)
def test_the_documents_are_as_the_code_makes_them(path: Path) -> None:
    assert path.read_text() == contract.written()[path], "run `python -m tests.contract`"


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@examples(150)
@given(event=EVENTS)
def test_what_the_schema_accepts_is_applied(agent: Agent, event: dict[str, Any]) -> None:
    event = unique(event)
    assert accepts(event)
    assert is_applied(agent, event), agent.sidecar.published[-1]["data"]["reason"]


@examples(250)
@given(changes=EVENTS.flatmap(lambda event: changed(event | {"id": event["id"]}, ODD)))
def test_what_is_changed_is_accepted_by_both_or_by_neither(agent: Agent, changes: dict[str, Any]) -> None:
    own = uuid4().hex
    for name in ("id", "source"):
        # a good name is made unique, a bad one stays as it is
        if isinstance(changes.get(name), str) and len(changes[name]) <= 200:
            changes[name] = own + changes[name] if changes[name] else ""
    applied = is_applied(agent, changes)
    reason = "" if applied else agent.sidecar.published[-1]["data"]["reason"]
    assert applied == accepts(changes), f"{changes!r}: {reason}"
