"""Classes of bad input as data, and the requests that carry each of them to every route of an OpenAPI document."""

import json
import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import quote

from acceptance.harness.request import Request

CLOUD_EVENTS = "application/cloudevents+json"
"""What only daprd sends; its routes always answer 200."""
MARK = "put the input here"
EXTRA = "extra"
DELETE = 0x7F
DEEP = 100_000
LARGE_BYTES = 10_000_000
# No partition of ours has this number: what the handler records of a position must not be that of a real record.
POSITION = {"__partition": b"999", "__offset": b"1"}
IN_PATH = re.compile(r"{(\w+)}")
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


@dataclass(frozen=True)
class Route:
    """An operation of the document, and how a good request to it looks."""

    method: str
    path: str
    query: tuple[str, ...]
    headers: tuple[str, ...]
    content_type: str
    example: Any

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters, whether in path, query or headers, and of one that the route does not know."""
        return (*IN_PATH.findall(self.path), *self.query, *self.headers, EXTRA)

    def request(
        self, texts: dict[str, str] | None = None, body: bytes | None = None, headers: dict[str, bytes] | None = None
    ) -> Request:
        """A good request, but for texts in the place of parameters by name, the body, and headers beside its own."""
        texts = texts or {}
        path = IN_PATH.sub(lambda found: escaped(texts.get(found[1], "bad-input")), self.path)
        query = "&".join(f"{escaped(name)}={escaped(texts[name])}" for name in (*self.query, EXTRA) if name in texts)
        good_body = json.dumps(self.example).encode() if self.content_type else b""
        by_daprd = self.content_type == CLOUD_EVENTS
        sent = {
            **({"content-type": self.content_type.encode()} if self.content_type else {}),
            **(POSITION if by_daprd else {}),
            **{name: header_value(texts[name]) for name in self.headers if name in texts},
            **(headers or {}),
        }
        target = f"{path}?{query}" if query else path
        return Request(self.method, target, tuple(sent.items()), good_body if body is None else body, by_daprd)

    def bodies(self, value: bytes) -> Iterator[bytes]:
        """Good bodies but for one member, or all of it, which is this JSON text; also as daprd wraps records."""
        for marked in _marked(self.example):
            body = json.dumps(marked).encode().replace(json.dumps(MARK).encode(), value)
            yield body
            if self.content_type == CLOUD_EVENTS:
                yield json.dumps({"id": "bad-input", "data_base64": b64encode(body).decode()}).encode()


def with_text(text: str, route: Route) -> Iterator[Request]:
    """A text in each parameter, in one that the route does not know, and in each member of the body."""
    for name in route.parameters:
        yield route.request({name: text})
    yield from with_value(json.dumps(text).encode(), route) if route.content_type else ()


def with_value(value: bytes, route: Route) -> Iterator[Request]:
    """A JSON text in each member of the body; a route without a body gets it as one."""
    for body in route.bodies(value):
        yield route.request(body=body)


def with_body(body: bytes, route: Route) -> Iterator[Request]:
    """A whole body."""
    yield route.request(body=body)


def with_headers(headers: dict[str, bytes], route: Route) -> Iterator[Request]:
    """Headers beside the good ones, or in their place."""
    yield route.request(headers=headers)


def with_method(method: str, route: Route) -> Iterator[Request]:
    """A method that no route has."""
    yield replace(route.request(), method=method, by_daprd=False)


CLASSES: dict[str, Callable[[Route], Iterator[Request]]] = {
    **{f"text: {name}": partial(with_text, text) for name, text in TEXTS.items()},
    **{f"value: {name}": partial(with_value, value) for name, value in VALUES.items()},
    **{f"body: {name}": partial(with_body, body) for name, body in BODIES.items()},
    **{f"headers: {name}": partial(with_headers, headers) for name, headers in HEADERS.items()},
    "method": partial(with_method, "PATCH"),
}


def routes(document: dict[str, Any]) -> list[Route]:
    """Every operation of an OpenAPI document."""
    return [
        _route(document, method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


class Case(NamedTuple):
    """A request, the route that it goes to, and the class of what is bad about it."""

    route: Route
    input: str
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
            first, *others = (Case(route, name, request) for request in dict.fromkeys(CLASSES[name](route)))
            rest += others
            yield first
    yield from rest


def escaped(text: str) -> str:
    """A text as one segment of a path, or in a query; clients would clean bare dots away."""
    return quote(encoded(text), safe="").replace(".", "%2E")


def encoded(text: str) -> bytes:
    """A text as UTF-8; a lone surrogate as what a careless encoder makes of it."""
    return text.encode("utf-8", "surrogatepass")


def header_value(text: str) -> bytes:
    """A text as what HTTP lets through as the value of a header."""
    return bytes(byte for byte in encoded(text) if byte >= ord(" ") and byte != DELETE)


def _route(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Route:
    named = {
        where: tuple(one["name"] for one in operation.get("parameters", []) if one["in"] == where)
        for where in ("query", "header")
    }
    content = operation.get("requestBody", {}).get("content", {})
    content_type = next(iter(content), "")
    example = _example(document, content.get(content_type, {}), content_type)
    return Route(method, path, named["query"], named["header"], content_type, example)


def _example(document: dict[str, Any], media: dict[str, Any], content_type: str) -> Any:
    data = {"message": "bad input", "metadata": {"key": "bad-input", "amount": 1}}
    event = {"specversion": "1.0", "id": "bad-input", "source": "test", "type": "test", "data": data}
    if content_type == CLOUD_EVENTS:
        return event
    schema = document.get("components", {}).get("schemas", {}).get(media.get("schema", {}).get("$ref", "")[21:], {})
    return schema.get("examples", [{}])[0]


def _marked(value: Any) -> Iterator[Any]:
    for name, part in value.items() if isinstance(value, dict) else ():
        for changed in _marked(part):
            yield {**value, name: changed}
    yield MARK
