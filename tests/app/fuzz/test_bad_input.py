"""No input leads to a server error, a hang or an answer no client can read; FUZZ_REQUESTS is how many are sent."""

import json
import os
from itertools import islice
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from acceptance.agent.inputs import bad_input
from acceptance.agent.inputs.bad_input import is_refused
from acceptance.agent.inputs.request import Request
from tests.app.fuzz import strategies
from tests.app.fuzz.agent import FuzzedAgent
from tests.app.fuzz.document import DOCUMENT, ROUTES
from tests.app.fuzz.schema import request_of

# the agent's thread and schemathesis's own ids use the module, the inputs do not
pytestmark = pytest.mark.filterwarnings(
    "ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning"
)
REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "1000"))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
ONCE = len(ROUTES) * len(bad_input.CLASSES)
NAMED = list(islice(bad_input.cases(ROUTES), max(ONCE, REQUESTS // 4)))
KEPT = BEYOND = REQUESTS // 20
BY_SCHEMA = (REQUESTS - len(NAMED) - KEPT - BEYOND) // 2
AT_RANDOM = REQUESTS - len(NAMED) - KEPT - BEYOND - BY_SCHEMA
BY_SCHEMA_CASES = st.one_of(
    [SCHEMA[one.path][one.method].as_strategy(generation_mode=mode) for one in ROUTES for mode in GenerationMode]
)


def post_state(entry: dict[str, Any]) -> Request:
    return Request("POST", "/state", (("content-type", b"application/json"),), json.dumps(entry).encode())


def examples(count: int) -> settings:
    return settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[*HealthCheck],
    )


@pytest.mark.parametrize("name", bad_input.CLASSES)
def test_every_class_of_input_on_every_route_is_answered_as_promised(agent: FuzzedAgent, name: str) -> None:
    for case in NAMED:
        if case.input == name:
            agent.examine(case.request, is_refused=is_refused(case))


@examples(BY_SCHEMA)
@given(case=BY_SCHEMA_CASES)
def test_what_the_schema_describes_or_forbids_is_answered_as_promised(
    agent: FuzzedAgent, case: schemathesis.Case[Any]
) -> None:
    agent.examine(request_of(case))


@examples(AT_RANDOM)
@given(request=strategies.requests(ROUTES))
def test_random_requests_are_answered_as_promised(agent: FuzzedAgent, request: Request) -> None:
    agent.examine(request)


@examples(KEPT)
@given(entry=strategies.entries)
def test_any_json_value_is_saved_and_comes_back_equal(agent: FuzzedAgent, entry: dict[str, Any]) -> None:
    assert agent.examine(post_state(entry)) == 200


@examples(BEYOND)
@given(entry=strategies.entries_beyond)
def test_an_integer_beyond_2_to_the_53_is_refused(agent: FuzzedAgent, entry: dict[str, Any]) -> None:
    assert agent.examine(post_state(entry)) == 422


def test_as_many_requests_were_sent_as_asked_for(agent: FuzzedAgent) -> None:
    assert agent.sent == REQUESTS, f"expected {REQUESTS} requests, {agent.sent} were sent"
