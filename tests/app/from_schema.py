"""Documents made from a JSON Schema: as much of it as the agent's own uses."""

import json
from base64 import b64encode
from functools import partial
from typing import Any

from hypothesis import strategies as st

LETTERS = st.characters(exclude_categories=["Cs"])
"""All but surrogates, of which a schema cannot say that they must come in pairs."""
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(LETTERS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS), inner, max_size=3),
    max_leaves=5,
)
Schema = dict[str, Any]


class Documents:
    """Strategies for the values that a schema accepts; `root` has its definitions."""

    def __init__(self, root: Schema) -> None:
        # one for each name: a definition may refer to itself
        self._named = {name: self._later(one) for name, one in root["$defs"].items()}
        self._kinds = {"number": _numbers, "string": self._strings, "array": self._arrays, "object": self._objects}

    def of(self, schema: Schema) -> st.SearchStrategy[Any]:
        """Values that a schema accepts."""
        if "$ref" in schema:
            return self._named[schema["$ref"].rpartition("/")[2]]
        if "const" in schema:
            return st.just(schema["const"])
        if "anyOf" in schema:
            return st.one_of([self.of(one) for one in schema["anyOf"]])
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return st.one_of([SIMPLE[kind] if kind in SIMPLE else self._kinds[kind](schema) for kind in kinds])

    def _later(self, schema: Schema) -> st.SearchStrategy[Any]:
        return st.deferred(lambda: self.of(schema))

    def _strings(self, schema: Schema) -> st.SearchStrategy[str]:
        if "contentSchema" in schema:
            inside = self.of(schema["contentSchema"])
            return inside.map(lambda value: b64encode(json.dumps(value).encode()).decode())
        least, most = schema.get("minLength", 0), schema.get("maxLength", 1000)
        if "pattern" not in schema:
            return st.text(LETTERS, min_size=least, max_size=min(most, 40)) | st.just("x" * most)
        fitting = st.from_regex(schema["pattern"], alphabet=LETTERS)
        return fitting.filter(lambda text: least <= len(text) <= most)

    def _arrays(self, schema: Schema) -> st.SearchStrategy[list[Any]]:
        return st.lists(self.of(schema["items"]), max_size=3)

    def _objects(self, schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
        named = {name: self.of(one) for name, one in schema.get("properties", {}).items()}
        others = self.of(schema["additionalProperties"]) if "additionalProperties" in schema else ANY
        names = self._strings(schema.get("propertyNames", {})).filter(lambda name: name not in named)
        required = {name: named[name] for name in schema.get("required", [])}
        optional = {name: one for name, one in named.items() if name not in required}
        known = st.fixed_dictionaries(required, optional=optional)
        return st.builds(lambda one, more: more | one, known, st.dictionaries(names, others, max_size=3))


def _numbers(schema: Schema) -> st.SearchStrategy[float]:
    least, most = schema["minimum"], schema["maximum"]
    edges = [least, most, 0, -0.0, 2**53 + 1, 10**22, 1e-320]
    return (
        st.integers(int(least), int(most))
        | st.floats(least, most)
        | st.sampled_from([edge for edge in edges if least <= edge <= most])
    )


SIMPLE: dict[str, st.SearchStrategy[Any]] = {"null": st.none(), "boolean": st.booleans()}


@st.composite
def places(draw: st.DrawFn, document: Any) -> tuple[dict[str, Any] | list[Any], Any]:  # noqa: ANN401 - any JSON
    """Some place in a document: what holds it, and its name or index there."""
    holder: Any = {"": document}
    name: Any = ""
    while isinstance(holder[name], dict | list) and holder[name] and (name == "" or draw(st.booleans())):
        holder = holder[name]
        name = draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    return holder, name


def changed(document: Any, odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any JSON
    """The same document with something else at one place, or nothing there."""
    copy = partial(json.loads, json.dumps(document))

    @st.composite
    def one(draw: st.DrawFn) -> Any:  # noqa: ANN401 - any JSON
        made = copy()
        holder, name = draw(places(made))
        if draw(st.booleans()):
            holder[name] = draw(odd)
        else:
            del holder[name]
        return made

    return one()
