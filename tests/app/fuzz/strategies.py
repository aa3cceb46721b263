"""Random requests, for any document."""

import json
from typing import Any

from hypothesis import strategies as st

from acceptance.agent.inputs.bad_input import BODIES, HEADERS, TEXTS, VALUES
from acceptance.agent.inputs.request import Request, Route, header_value

LARGEST = 2**53
beyond = st.integers(min_value=LARGEST + 1) | st.integers(max_value=-LARGEST - 1)
texts = (
    st.text(max_size=40)
    | st.text(st.characters(exclude_categories=()), max_size=40)
    | st.sampled_from([*TEXTS.values()])
)


def json_values(numbers: st.SearchStrategy[float], names: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """JSON of these numbers and texts, nested."""
    return st.recursive(
        st.none() | st.booleans() | numbers | names,
        lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
        max_leaves=20,
    )


values = json_values(st.integers() | beyond | st.floats(), texts)
kept_values = json_values(
    st.integers(-LARGEST, LARGEST) | st.floats(allow_nan=False, allow_infinity=False), st.text(max_size=40)
)
json_texts = st.builds(lambda value: json.dumps(value).encode(), values) | st.builds(
    # as a careless client writes it: control bytes and surrogates bare
    lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    values,
)
header_values = texts.map(header_value)

entries = st.fixed_dictionaries({"key": st.sampled_from(["a", "a/b", "..", "%00", "ü"]), "value": kept_values})
entries_beyond = st.builds(
    lambda value, number: {"key": "a", "value": [value, {"inside": number}]}, kept_values, beyond
)
whole_bodies = st.lists(
    st.binary(max_size=100) | st.sampled_from([*VALUES.values(), *BODIES.values()]), min_size=1, max_size=1
)
headers: st.SearchStrategy[dict[str, bytes]] = (
    st.just({})
    | st.sampled_from([*HEADERS.values()])
    | st.dictionaries(st.sampled_from([name for one in HEADERS.values() for name in one]), header_values, max_size=3)
)


@st.composite
def requests(draw: st.DrawFn, routes: list[Route]) -> Request:
    """A request to one of the routes, good or bad in its parameters, its body and its headers, each for itself."""
    route = draw(st.sampled_from(routes))
    given: dict[str, Any] = draw(st.dictionaries(st.sampled_from([*route.parameters.values()]), texts))
    bodies = draw(st.none() | json_texts.map(lambda text: [body for _, body in route.bodies(text)]) | whole_bodies)
    body = draw(st.sampled_from(bodies)) if bodies else None
    return route.request(given, body, draw(headers))
