"""The sabotage layer: it changes what it declares and passes on the rest."""

import asyncio
import json
import socket
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from acceptance.controls.sabotage import readiness
from acceptance.controls.sabotage.events import GUARD
from acceptance.controls.sabotage.exchange import App, Exchange, Receive, Scope, Send
from acceptance.controls.sabotage.layer import SABOTAGES, Layer
from app.consume import effects

CHECKS = {"checks": {"pubsub": {"status": "failed"}, "api": {"status": "ok"}}}
WITHOUT_SIDECAR = {"checks": {"dapr": {"status": "failing"}, "statestore": {"status": "failing"}}}
HEADERS = [(b"content-type", b"application/problem+json"), (b"content-length", b"99"), (b"retry-after", b"1")]
Ask = Callable[..., httpx.Response]
EVENT = {"id": "1", "data": {"metadata": {"key": "a", "amount": 7}}}


def raw(record: bytes) -> dict[str, str]:
    """A record as daprd delivers it to a raw subscription."""
    return {"id": "of daprd's own", "data_base64": b64encode(record).decode()}


@pytest.fixture(autouse=True)
def until_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test tampers with is whole again for the next: here the process goes on."""
    monkeypatch.setattr(Exchange, "tamper", staticmethod(monkeypatch.setattr))


@pytest.fixture
def seen() -> list[Any]:
    """The bodies that reach the real application."""
    return []


@pytest.fixture
def application(seen: list[Any]) -> App:
    async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive())["body"]
        seen.append(json.loads(body or b"null"))
        await send({"type": "http.response.start", "status": 503, "headers": HEADERS})
        await send({"type": "http.response.body", "body": json.dumps(CHECKS).encode()})

    return answer


@pytest.fixture
def ask(application: App, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Send one request through a sabotage."""

    def ask(sabotage: str, method: str, path: str, body: object = None) -> httpx.Response:
        monkeypatch.setenv("SABOTAGE", sabotage)

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=Layer(application))
            async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
                return await client.request(method, path, json=body)

        return asyncio.run(send())

    return ask


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_what_is_not_tampered_with_is_passed_on(ask: Ask, seen: list[Any], sabotage: str) -> None:
    answer = ask(sabotage, "POST", "/other", {"a": 1})
    assert (answer.status_code, answer.json(), seen) == (503, CHECKS, [{"a": 1}])
    assert (answer.headers["content-type"], answer.headers["retry-after"]) == ("application/problem+json", "1")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("sabotage", "method", "path", "status"),
    [
        ("health-in-other-words", "GET", "/health", 200),
        ("ready-always", "GET", "/ready", 200),
        ("subscribes-elsewhere", "GET", "/ready", 200),
        ("query-that-invents", "GET", "/db/query", 200),
        ("state-in-memory", "GET", "/state/absent", 404),
    ],
)
def test_an_answer_is_tampered_with(  # noqa: PLR0913, PLR0917 -- a case is four words
    ask: Ask, seen: list[Any], sabotage: str, method: str, path: str, status: int
) -> None:
    assert ask(sabotage, method, path).status_code == status
    assert seen == []


def test_readiness_forgets_kafka(ask: Ask) -> None:
    assert ask("ready-without-pubsub", "GET", "/ready").json() == {"checks": {"api": {"status": "ok"}}}


def test_a_publish_goes_nowhere(ask: Ask, seen: list[Any]) -> None:
    assert ask("publish-nowhere", "POST", "/publish", {"message": "hello"}).json()["status"] == "published"
    assert seen == []


DELIVERIES = pytest.mark.parametrize("delivery", [EVENT, raw(json.dumps(EVENT).encode())], ids=["plain", "raw"])


@DELIVERIES
def test_one_event_is_lost(ask: Ask, seen: list[Any], delivery: dict[str, Any]) -> None:
    assert ask("loses-an-event", "POST", "/subscribe", delivery).json() == {"status": "SUCCESS"}
    assert seen == []


@DELIVERIES
def test_one_event_is_repeated_under_another_id(ask: Ask, seen: list[Any], delivery: dict[str, Any]) -> None:
    ask("repeats-an-event", "POST", "/subscribe", delivery)
    repeated, original = seen
    assert (repeated["data"], original) == (EVENT["data"], delivery)
    assert repeated["id"] not in {EVENT["id"], delivery["id"]}


def test_an_event_is_confirmed_before_it_is_applied(ask: Ask, seen: list[Any]) -> None:
    assert ask("confirms-too-early", "POST", "/subscribe", EVENT).json() == {"status": "SUCCESS"}
    assert seen == []


def test_what_cannot_be_understood_is_wanted_again(ask: Ask, seen: list[Any]) -> None:
    assert ask("retries-for-ever", "POST", "/subscribe", raw(b"{not JSON")).json() == {"status": "RETRY"}
    assert seen == []
    ask("retries-for-ever", "POST", "/subscribe", EVENT)
    assert seen == [EVENT]


def test_the_guard_against_repetition_is_taken_out_of_the_statement(ask: Ask, seen: list[Any]) -> None:
    before = effects.APPLY
    ask("applies-every-delivery", "POST", "/subscribe", EVENT)
    assert GUARD in before
    assert GUARD not in effects.APPLY
    assert seen == [EVENT]


@pytest.mark.parametrize(
    ("sabotage", "status"), [("ready-without-sidecar", 200), ("ready-without-database", 503), ("ready-by-ports", 503)]
)
def test_readiness_forgives_only_what_the_sabotage_takes_for_granted(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, sabotage: str, status: int
) -> None:
    monkeypatch.setattr("tests.acceptance.agent.test_sabotage.CHECKS", WITHOUT_SIDECAR)
    assert ask(sabotage, "GET", "/ready").status_code == status


def test_a_frozen_backend_accepts_as_often_as_it_is_asked_and_a_killed_one_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = socket.create_server(("127.0.0.1", 0), backlog=0)
    monkeypatch.setattr(readiness, "PORTS", {"kafka": server.getsockname()})
    monkeypatch.setattr(readiness, "CONNECTIONS", {})

    async def ask() -> list[bool]:
        frozen = [await readiness.connected("kafka") for _ in range(5)]
        server.close()
        await asyncio.sleep(0.1)
        killed = await readiness.connected("kafka")
        readiness.CONNECTIONS["kafka"][1].close()
        return [*frozen, killed]

    assert asyncio.run(ask()) == [True] * 5 + [False]
