"""Random requests, for any document."""

import json
from typing import Any

from hypothesis import strategies as st

from acceptance.harness.bad_input import BODIES, EXTRA, HEADERS, TEXTS, VALUES, Route, header_value
from acceptance.harness.request import Request

BEYOND = 2**53
texts = st.text(max_size=40) | st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from([*TEXTS.values()])
numbers = st.integers() | st.integers(min_value=BEYOND + 1) | st.integers(max_value=-BEYOND - 1) | st.floats()
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)
json_texts = st.builds(lambda value: json.dumps(value).encode(), values) | st.builds(
    # as a careless client writes it: control bytes and surrogates bare
    lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"), values
)
header_values = texts.map(header_value)


@st.composite
def requests(draw: st.DrawFn, routes: list[Route]) -> Request:
    """A request to one of the routes, good or bad in its parameters, its body and its headers, each for itself."""
    route = draw(st.sampled_from(routes))
    names = [name for _, name in route.parameters]
    given: dict[str, Any] = draw(st.dictionaries(st.sampled_from([*names, EXTRA]), texts))
    bodies = draw(st.none() | json_texts.map(lambda text: [*route.bodies(text)]) | whole_bodies)
    body = draw(st.sampled_from(bodies)) if bodies else None
    return route.request(given, body, draw(headers))


whole_bodies = st.lists(
    st.binary(max_size=100) | st.sampled_from([*VALUES.values(), *BODIES.values()]), min_size=1, max_size=1
)
headers = st.just({}) | st.sampled_from([*HEADERS.values()]) | st.dictionaries(
    st.sampled_from([name for one in HEADERS.values() for name in one]), header_values, max_size=3
)
