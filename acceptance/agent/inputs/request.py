"""A request as data, down to its bytes, and the routes of an OpenAPI document that good ones are made for."""

import gzip
import json
import re
import shlex
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

CREDENTIAL = "dapr-api-token"


@dataclass(frozen=True)
class Request:
    """One request; the path is encoded already."""

    method: str
    path: str
    headers: tuple[tuple[str, bytes], ...] = ()
    body: bytes = b""
    by_daprd: bool = False
    """Whether it is sent in daprd's place, with its token; that is always answered 200."""

    def raw_headers(self, app_token: str) -> list[tuple[bytes, bytes]]:
        """Headers as bytes, which no client changes; daprd's own requests carry the app's token."""
        credential = [(CREDENTIAL.encode(), app_token.encode())] if self.by_daprd else []
        return [*((name.encode(), value) for name, value in self.headers), *credential]

    def curl(self, base: str) -> str:
        """A line of bash that sends this request again; a body that no argument can hold is packed."""
        words = ["curl", "--include", "--request", self.method, shlex.quote(base + self.path)]
        for name, value in self.headers:
            words += ["--header", _quoted(name.encode() + b": " + value)]
        if self.by_daprd:
            words += ["--header", f'"{CREDENTIAL}: $APP_API_TOKEN"']
        if not self.body:
            return " ".join(words)
        if _is_plain(self.body) and len(self.body) < 1000:
            return " ".join([*words, "--data-binary", shlex.quote(self.body.decode())])
        packed = b64encode(gzip.compress(self.body, mtime=0)).decode()
        return f"base64 -d <<<{packed} | gunzip | " + " ".join([*words, "--data-binary", "@-"])


def _is_plain(text: bytes) -> bool:
    return text.isascii() and text.decode().isprintable() and not text.startswith(b"@")


def _quoted(text: bytes) -> str:
    if _is_plain(text):
        return shlex.quote(text.decode())
    return "$'" + "".join(f"\\x{byte:02x}" for byte in text) + "'"


CLOUD_EVENTS = "application/cloudevents+json"
"""What only daprd sends; its routes always answer 200."""
# No partition of ours has this number: what the handler records of a position must not be that of a real record.
POSITION = {"__partition": b"999", "__offset": b"1"}
EVENT = {
    "specversion": "1.0",
    "id": "bad-input",
    "source": "test",
    "type": "test",
    "data": {"message": "bad input", "metadata": {"key": "bad-input", "amount": 1}},
}
GOOD_TEXT = "bad-input"
EXTRA = "extra"
"""A parameter of the query that no route knows."""
MARK = "put the input here"
IN_PATH = re.compile(r"{(\w+)}")
DELETE = 0x7F


@dataclass(frozen=True)
class Route:
    """An operation of the document, and how a good request to it looks."""

    method: str
    path: str
    query: tuple[str, ...]
    required: tuple[str, ...]
    """Those of the query without which it is no request."""
    headers: tuple[str, ...]
    content_type: str
    example: Any

    @property
    def parameters(self) -> dict[str, str]:
        """Parameters of path, query and headers, and one that the route does not know: their names by their places."""
        in_path = {f"{{{name}}}": name for name in IN_PATH.findall(self.path)}
        return in_path | {f"?{name}": name for name in (*self.query, EXTRA)} | {name: name for name in self.headers}

    def request(
        self, texts: dict[str, str] | None = None, body: bytes | None = None, headers: dict[str, bytes] | None = None
    ) -> Request:
        """A good request, but for texts in the place of parameters by name, the body, and headers beside its own."""
        texts = texts or {}
        path = IN_PATH.sub(lambda found: escaped(texts.get(found[1], GOOD_TEXT)), self.path)
        asked = dict.fromkeys(self.required, GOOD_TEXT) | texts
        query = "&".join(f"{escaped(name)}={escaped(asked[name])}" for name in (*self.query, EXTRA) if name in asked)
        good_body = json.dumps(self.example).encode() if self.content_type else b""
        # daprd sends no query; one that is no UTF-8 is refused before anybody asks who sends it
        by_daprd = self.content_type == CLOUD_EVENTS and not _has_surrogates(texts)
        sent = {
            **({"content-type": self.content_type.encode()} if self.content_type else {}),
            **(POSITION if by_daprd else {}),
            **{name: header_value(texts[name]) for name in self.headers if name in texts},
            **(headers or {}),
        }
        target = f"{path}?{query}" if query else path
        return Request(self.method, target, tuple(sent.items()), good_body if body is None else body, by_daprd)

    def bodies(self, value: bytes) -> Iterator[tuple[str, bytes]]:
        """Good bodies but for one member, or all of it, which is this JSON text, by place; also as daprd wraps them."""
        for place, marked in _marked(self.example):
            body = json.dumps(marked).encode().replace(json.dumps(MARK).encode(), value)
            yield place, body
            if self.content_type == CLOUD_EVENTS:
                yield place, json.dumps({"id": "bad-input", "data_base64": b64encode(body).decode()}).encode()


def routes_of(document: dict[str, Any]) -> list[Route]:
    """Every operation of an OpenAPI document."""
    return [
        _route(document, method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def escaped(text: str) -> str:
    """A text as one segment of a path, or in a query; clients would clean bare dots away."""
    return quote(encoded(text), safe="").replace(".", "%2E")


def encoded(text: str) -> bytes:
    """A text as UTF-8; a lone surrogate as what a careless encoder makes of it."""
    return text.encode("utf-8", "surrogatepass")


def header_value(text: str) -> bytes:
    """A text as what HTTP lets through as the value of a header."""
    return bytes(byte for byte in encoded(text) if byte >= ord(" ") and byte != DELETE)


def _has_surrogates(texts: dict[str, str]) -> bool:
    return any("\ud800" <= character <= "\udfff" for text in texts.values() for character in text)


def _route(document: dict[str, Any], method: str, path: str, operation: dict[str, Any]) -> Route:
    parameters = operation.get("parameters", [])
    named = {where: tuple(one["name"] for one in parameters if one["in"] == where) for where in ("query", "header")}
    content = operation.get("requestBody", {}).get("content", {})
    content_type = next(iter(content), "")
    example = _example(document, content.get(content_type, {}), content_type)
    required = tuple(one["name"] for one in parameters if one["in"] == "query" and one.get("required"))
    return Route(method, path, named["query"], required, named["header"], content_type, example)


def _example(document: dict[str, Any], media: dict[str, Any], content_type: str) -> Any:
    if content_type == CLOUD_EVENTS:
        return EVENT
    schema = document.get("components", {}).get("schemas", {}).get(media.get("schema", {}).get("$ref", "")[21:], {})
    return schema.get("examples", [{}])[0]


def _marked(value: Any) -> Iterator[tuple[str, Any]]:
    for name, part in value.items() if isinstance(value, dict) else ():
        for place, changed in _marked(part):
            yield name if place == "body" else f"{name}.{place}", {**value, name: changed}
    yield "body", MARK
