"""Classes of bad input as data, the requests that carry each of them to every route, and where it is refused."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple

from acceptance.agent.inputs.request import Request, Route

DEEP = 100_000
LARGE_BYTES = 10_000_000
STEP = 5
"""Classes between those that two neighbouring routes begin with, so that a short run meets all of both."""

TEXTS = {
    "NUL": "a\0b",
    "control bytes": "".join(map(chr, [*range(1, 32), 127])),
    "line breaks": "a\r\nx: y\u2028b",
    "lone surrogate": "a\ud800b",
    "slashes": "/a//b/",
    "parent folders": "../../a",
    "Dapr's separator": "a||b",
    "escapes": "%00%2F%",
    "long": "x" * 10_000,
    "not ASCII": "\u202eü東\ufeff\U0001f680",
    "SQL": "'; DROP TABLE effects; --",
    "empty": "",
}
VALUES = {
    "null": b"null",
    "list": b"[]",
    "integer beyond 2^53": b"9007199254740993",
    "huge integer": b"1" * 5000,
    "huge float": b"1e999",
    "large float": b"1e300",
    "small float": b"-5e-324",
    "tiny float": b"-1e-999",
    "many digits": b"0.12345678901234567890123",
    "not a number": b"NaN",
    "deep nesting": b"[" * DEEP + b"]" * DEEP,
    "bare NUL": b'"a\0b"',
    "not UTF-8": b'"\xff"',
    "bare surrogate": b'"\xed\xa0\x80"',
}
BODIES = {
    "empty": b"",
    "cut off": b'{"key": ',
    "not JSON": b"not JSON",
    "every byte": bytes(range(256)),
    "UTF-16": "{}".encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf{}",
    "deep nesting": b'{"value":' * DEEP,
    "10 MB": b" " * LARGE_BYTES,
    "10 MB in a string": b'{"key": "k", "value": "' + b"x" * LARGE_BYTES + b'"}',
}
HEADERS = {
    "text": {"content-type": b"text/plain"},
    "form": {"content-type": b"application/x-www-form-urlencoded"},
    "multipart": {"content-type": b"multipart/form-data; boundary=x"},
    "unknown charset": {"content-type": b"application/json; charset=nonsense"},
    "nonsense as content type": {"content-type": b";=\xff,"},
    "no content type": {"content-type": b""},
    "encoding that it has not": {"content-encoding": b"gzip"},
    "bad trace": {"traceparent": b"1", "tracestate": b"\xff"},
    "bad position": {"__partition": b"-1", "__offset": b"9" * 40},
    "position that is no number": {"__partition": b"\xb2", "__offset": b"1e3"},
    "bad key": {"idempotency-key": b"a b/\xff"},
    "long key": {"idempotency-key": b"x" * 10_000},
    "bad preference": {"prefer": b',,;=respond-async;wait="\xff'},
    "large": {"cookie": b"x" * 10_000},
}


Placed = Iterator[tuple[str, Request]]
"""Requests, each with the place that is bad about it."""


def with_text(text: str, route: Route) -> Placed:
    """A text in each parameter, in one that the route does not know, and in each member of the body."""
    for place, name in route.parameters.items():
        yield place, route.request({name: text})
    yield from with_value(json.dumps(text).encode(), route) if route.content_type else ()


def with_value(value: bytes, route: Route) -> Placed:
    """A JSON text in each member of the body; a route without a body gets it as one."""
    for place, body in route.bodies(value):
        yield place, route.request(body=body)


def with_body(body: bytes, route: Route) -> Placed:
    """A whole body."""
    yield "body", route.request(body=body)


def with_headers(headers: dict[str, bytes], route: Route) -> Placed:
    """Headers beside the good ones, or in their place."""
    yield "headers", route.request(headers=headers)


def with_method(method: str, route: Route) -> Placed:
    """A method that no route has."""
    yield "method", replace(route.request(), method=method, by_daprd=False)


CLASSES: dict[str, Callable[[Route], Placed]] = {
    **{f"text: {name}": partial(with_text, text) for name, text in TEXTS.items()},
    **{f"value: {name}": partial(with_value, value) for name, value in VALUES.items()},
    **{f"body: {name}": partial(with_body, body) for name, body in BODIES.items()},
    **{f"headers: {name}": partial(with_headers, headers) for name, headers in HEADERS.items()},
    "method": partial(with_method, "PATCH"),
}


class Case(NamedTuple):
    """A request, the route that it goes to, and the class of what is bad about it, and where."""

    route: Route
    input: str
    place: str
    request: Request


def cases(found: list[Route]) -> Iterator[Case]:
    """Each route x class once, then every other place of each class.

    Of the first round, any part that is a few times as long as there are routes holds every route and every class.
    """
    names = list(CLASSES)
    rest = []
    for shift in range(len(names)):
        for number, route in enumerate(found):
            name = names[(shift + STEP * number) % len(names)]
            first, *others = _cases(route, name)
            rest += others
            yield first
    yield from rest


def _cases(route: Route, name: str) -> Iterator[Case]:
    # what a route takes no notice of is the same request in every place
    placed = {request: place for place, request in reversed([*CLASSES[name](route)])}
    for request, place in reversed(placed.items()):
        yield Case(route, name, f"{route.path} {place}", request)


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
