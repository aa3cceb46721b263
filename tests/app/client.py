"""Running an app in process and talking to it."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from app import SERVICE
from app.sidecar.api import CREDENTIAL, SUBSCRIPTIONS
from tests.app.sidecar import as_delivered
from tests.app.waiting import until

APP_TOKEN = "the-app-token"
PROBLEM = "application/problem+json"


@asynccontextmanager
async def running(app: FastAPI, address: str = "127.0.0.1") -> AsyncIterator[httpx.AsyncClient]:
    """Run an app's lifespan and lend a client of it, that has this address."""
    async with app.router.lifespan_context(app) as state:

        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            scope["state"] = dict(state or {})
            await app(scope, receive, send)

        transport = httpx.ASGITransport(served, raise_app_exceptions=False, client=(address, 12345))
        async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
            yield client


async def until_ready(client: httpx.AsyncClient, within_seconds: float = 5) -> None:
    """Wait for `/ready` to say yes."""
    await until("/ready to answer 200", lambda: client.get("/ready"), lambda r: r.status_code == 200, within_seconds)


async def until_failing(client: httpx.AsyncClient, *names: str, within_seconds: float = 4) -> dict[str, Any]:
    """Wait until exactly these checks fail and return the problem."""

    async def ask() -> dict[str, Any]:
        answer: dict[str, Any] = (await client.get("/ready")).json()
        return answer

    return await until(f"{names} to fail in /ready", ask, lambda body: failing(body) == set(names), within_seconds)


async def until_named(
    client: httpx.AsyncClient, *errors: str, check: str = "database", within_seconds: float = 4
) -> None:
    """Wait until `/ready` says one of these of a check."""

    async def ask() -> str:
        return str((await client.get("/ready")).json()["checks"][check]["error"])

    said = f"/ready to say {' or '.join(errors)!r} of {check}"
    await until(said, ask, lambda error: any(one in error for one in errors), within_seconds)


def failing(body: dict[str, Any]) -> set[str]:
    """Names of the checks that fail in an answer of `/ready`."""
    return {name for name, check in body["checks"].items() if check["status"] != "ok"}


def assert_problem(response: httpx.Response, status: int, *mentioned: str) -> dict[str, Any]:
    """Assert that an answer is a problem of this status whose detail mentions these words, and return it."""
    assert (response.status_code, response.headers["content-type"]) == (status, PROBLEM), response.text
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["title"]
    missing = [word for word in mentioned if word not in body["detail"]]
    assert not missing, f"expected {missing} in the detail, got {body['detail']!r}"
    return body


def cloud_event(data: object, /, **changes: object) -> dict[str, Any]:
    """Make an event as daprd delivers it; a change to None removes a member."""
    event = {
        "specversion": "1.0",
        "id": uuid4().hex,
        "source": SERVICE,
        "type": "test",
        "datacontenttype": "application/json",
        "topic": "agent-events",
        "pubsubname": "kafka-pubsub",
        "data": data,
    } | changes
    return {name: value for name, value in event.items() if value is not None}


async def deliver(
    client: httpx.AsyncClient,
    event: object,
    partition: int = 3,
    offset: int = 17,
    *,
    route: str = "/subscribe",
    **headers: str,
) -> str:
    """Deliver an event, or a record's raw bytes, as daprd does and return the status it was answered with."""
    record = event if isinstance(event, bytes) else json.dumps(event).encode()
    topic = {subscription["route"]: subscription["topic"] for subscription in SUBSCRIPTIONS}[route]
    position = {"__topic": topic, "__partition": str(partition), "__offset": str(offset)}
    response = await client.post(
        route,
        content=as_delivered(record, topic),
        headers={"content-type": "application/cloudevents+json", CREDENTIAL: APP_TOKEN} | position | headers,
    )
    assert response.status_code == 200, response.text
    assert set(response.json()) == {"status"}
    status: str = response.json()["status"]
    assert status in ("SUCCESS", "RETRY", "DROP")
    return status
