"""What schemathesis makes of the OpenAPI document, as requests."""

import json
from typing import Any

import httpx
import schemathesis

from acceptance.agent.inputs.request import CLOUD_EVENTS, Request, header_value

BASE = "http://agent"


def request_of(case: schemathesis.Case[Any]) -> Request:
    """The request that a case stands for, byte by byte and without the marks of the tool."""
    parts = case.as_transport_kwargs(base_url=BASE)
    body = parts["data"] if "data" in parts else json.dumps(parts["json"]).encode() if "json" in parts else b""
    url = httpx.URL(parts["url"], params=parts["params"] or None)
    headers = {name.lower(): header_value(str(value)) for name, value in (case.headers or {}).items()}
    if body and case.media_type:
        headers["content-type"] = case.media_type.encode()
    return Request(
        parts["method"], url.raw_path.decode(), tuple(headers.items()), body, case.media_type == CLOUD_EVENTS
    )
