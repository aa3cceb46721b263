"""Which bad input is refused in which place; everywhere else it is accepted, as what a client may mean."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from acceptance.agent.inputs.bad_input import BODIES, HEADERS, TEXTS, VALUES, Case

TEXT, VALUE = ({f"{kind}: {name}" for name in names} for kind, names in (("text", TEXTS), ("value", VALUES)))
BODY = {f"body: {name}" for name in BODIES}


def _texts(*names: str) -> set[str]:
    return {f"text: {name}" for name in names}


def _values(*names: str) -> set[str]:
    return {f"value: {name}" for name in names}


NO_TEXT = _texts("NUL", "lone surrogate")
NO_KEY = NO_TEXT | _texts("control bytes", "line breaks", "long")
NO_NUMBERS = _values("small float", "tiny float", "many digits")
NO_JSON = _values(
    "integer beyond 2^53", "huge integer", "huge float", "not a number", "deep nesting", "bare NUL", "not UTF-8",
    "bare surrogate",
)  # fmt: skip
NO_STATE_KEY = NO_KEY | _texts("Dapr's separator", "empty")
NO_CONTENT_TYPE = {f"headers: {name}" for name in HEADERS if HEADERS[name].keys() == {"content-type"}} - {
    "headers: unknown charset"
}

REFUSED: tuple[tuple[str, Iterable[str]], ...] = (
    ("* method", {"method"}),
    ("* ?extra", _texts("lone surrogate")),
    ("/ready ?for", TEXT),
    ("/events ?page_*", TEXT),
    ("/events ?key", NO_KEY),
    ("/events/{id} {id}", NO_TEXT | _texts("long")),
    ("/events/{id} ?source", NO_TEXT | _texts("long", "empty")),
    ("/state/{key} {key}", NO_STATE_KEY),
    # a NUL does not get through HTTP, and what is left is a key
    ("/publish Idempotency-Key", TEXT - _texts("NUL")),
    ("/publish headers", NO_CONTENT_TYPE | {"headers: bad key", "headers: long key"}),
    ("/publish message", NO_TEXT | VALUE),
    ("/publish metadata.key", NO_KEY | VALUE),
    ("/publish metadata.amount", TEXT | (VALUE - NO_NUMBERS)),
    ("/publish metadata", TEXT | VALUE),
    ("/publish body", TEXT | VALUE | BODY),
    ("/state headers", NO_CONTENT_TYPE),
    ("/state key", NO_STATE_KEY | VALUE),
    ("/state value*", _texts("lone surrogate") | NO_JSON),
    ("/state body", TEXT | VALUE | BODY),
)
"""Places, as `bad_input` names them, and the classes that are refused there."""


def is_refused(case: Case) -> bool:
    """Whether this case has to be refused; a delivery never is, whatever it carries."""
    if case.request.by_daprd:
        return False
    return any(case.input in classes for pattern, classes in REFUSED if fnmatchcase(case.place, pattern))
