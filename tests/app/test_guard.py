"""Who may deliver events, and who may call the sidecar."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from pydantic import SecretStr

from app.config import Settings
from app.main import create_app
from app.sidecar import guard
from app.sidecar.api import CREDENTIAL
from tests.app.client import (
    APP_TOKEN,
    assert_problem,
    cloud_event,
    deliver,
    running,
    until_failing,
    until_named,
    until_ready,
)
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import until

pytestmark = pytest.mark.anyio

GOOD = {"message": "m", "metadata": {"key": "k", "amount": 1_000_000}}
NAME, TOKEN = CREDENTIAL.encode(), APP_TOKEN.encode()
OTHERS: dict[str, list[tuple[bytes, bytes]]] = {
    "no token": [],
    "an empty token": [(NAME, b"")],
    "another token": [(NAME, b"x" * len(TOKEN))],
    "a longer token": [(NAME, TOKEN + b"x")],
    "a shorter token": [(NAME, TOKEN[:-1])],
    "in capitals": [(NAME, TOKEN.upper())],
    "not ASCII": [(NAME, TOKEN + b"\xff")],
    "not UTF-8": [(NAME, b"\xc3\x28\xed\xa0\x80")],
    "two tokens": [(NAME, TOKEN), (NAME, b"x")],
    "the token twice": [(NAME, TOKEN)] * 2,
    "the token in another header": [(b"authorization", b"Bearer " + TOKEN), (b"dapr_api_token", TOKEN)],
    "an invocation by another service": [(NAME, TOKEN), (b"Dapr-Caller-App-Id", b"fastapi-dapr-caller")],
}


WRONG = {CREDENTIAL: "of before"}
BY_A_SIDECAR_OF_ANOTHER_TOKEN = {
    "at its start": ("GET", "/dapr/subscribe"),
    "as it delivers to an app that was started anew": ("POST", "/subscribe"),
    "as it delivers a dead letter": ("POST", "/dead-letters"),
}


@pytest.fixture
def stranger(agent: httpx.AsyncClient) -> httpx.AsyncClient:
    """A client that is not the sidecar."""
    del agent.headers[CREDENTIAL]
    return agent


@pytest.mark.parametrize("route", ["/subscribe", "/dead-letters", "/subscribe%0A"])
@pytest.mark.parametrize("headers", OTHERS.values(), ids=OTHERS)
async def test_a_delivery_by_anybody_else_is_refused_and_has_no_effect(
    stranger: httpx.AsyncClient,
    sql: asyncpg.Connection,
    caplog: pytest.LogCaptureFixture,
    route: str,
    headers: list[tuple[bytes, bytes]],
) -> None:
    caplog.set_level(logging.INFO)
    event = cloud_event(GOOD)
    response = await stranger.post(route, content=json.dumps(event).encode(), headers=headers)
    assert_problem(response, 401, CREDENTIAL)
    assert response.headers["www-authenticate"]
    assert APP_TOKEN not in response.text
    assert [
        record for record in caplog.records if record.name.startswith("app") and event["id"] in str(vars(record))
    ] == []
    assert (await stranger.get(f"/events/{event['id']}")).status_code == 404
    assert await sql.fetchval("SELECT count(*) FROM dead_letters") == 0


async def test_the_real_event_of_an_id_that_was_forged_is_applied(stranger: httpx.AsyncClient) -> None:
    event = cloud_event(GOOD | {"message": "real"})
    assert_problem(await stranger.post("/subscribe", json=event | {"data": GOOD}), 401)
    assert await deliver(stranger, event) == "SUCCESS"
    assert (await stranger.get(f"/events/{event['id']}")).json()["message"] == "real"


async def test_a_body_is_not_read_before_it_is_known_who_sends_it(stranger: httpx.AsyncClient) -> None:
    sent: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        for part in (b"{", b"}"):
            sent.append(part)
            yield part

    assert_problem(await stranger.post("/subscribe", content=body()), 401)
    assert sent == []


async def test_anybody_may_ask_what_is_subscribed_to(stranger: httpx.AsyncClient) -> None:
    assert (await stranger.get("/dapr/subscribe")).status_code == 200


async def test_the_agent_works_beside_a_sidecar_that_asks_for_a_token(
    settings: Settings, sidecar: StandInSidecar
) -> None:
    sidecar.token = "wanted"
    async with running(create_app(settings.model_copy(update={"dapr_api_token": SecretStr("wanted")}))) as client:
        await until_ready(client)
        entry = {"key": "k", "value": 1}
        assert (await client.post("/state", json=entry)).status_code == 200
        assert (await client.get("/state/k")).json() == entry
        assert (await client.delete("/state/k")).status_code == 200
        assert (await client.post("/publish", json=GOOD)).status_code == 200
        assert await deliver(client, b"no event") == "SUCCESS"
    assert [topic for topic, _ in sidecar.records] == ["agent-events", "agent-events-dead-letters"]


async def test_a_sidecar_that_refuses_the_token_is_a_dependency_that_is_away(
    settings: Settings, sidecar: StandInSidecar
) -> None:
    sidecar.token = "wanted"
    async with running(create_app(settings.model_copy(update={"dapr_api_token": SecretStr("another")}))) as client:
        response = await client.get("/state/k")
    assert_problem(response, 503, "statestore", "401", "invalid api token")
    assert "another" not in response.text


@pytest.mark.parametrize(("method", "route"), BY_A_SIDECAR_OF_ANOTHER_TOKEN.values(), ids=BY_A_SIDECAR_OF_ANOTHER_TOKEN)
async def test_a_sidecar_that_has_another_token_gives_its_events_to_another_replica(
    agent: httpx.AsyncClient, method: str, route: str
) -> None:
    await agent.request(method, route, headers=WRONG)
    problem = await until_failing(agent, "dapr")
    assert "another app token" in problem["detail"]
    assert APP_TOKEN not in str(problem)
    assert_problem(await agent.get("/ready", params={"for": "events"}), 503, "another app token")
    assert (await agent.get("/ready", params={"for": "serving"})).status_code == 200

    await agent.get("/dapr/subscribe")
    await until_ready(agent)
    assert (await agent.get("/ready", params={"for": "events"})).status_code == 200


async def test_a_sidecar_that_comes_back_is_not_taken_for_the_one_that_was_there(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    await agent.get("/dapr/subscribe", headers=WRONG)
    await until_failing(agent, "dapr")
    port = sidecar.port
    await sidecar.stop()
    await until_named(agent, "cannot be reached", check="dapr")
    await sidecar.start(port)
    await until_ready(agent)
    assert (await agent.get("/ready", params={"for": "events"})).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, WRONG | {"dapr-caller-app-id": "fastapi-dapr-caller"}],
    ids=["without a token", "an invocation by another service"],
)
async def test_only_the_sidecar_is_taken_for_it(agent: httpx.AsyncClient, headers: dict[str, str]) -> None:
    del agent.headers[CREDENTIAL]
    for method, route in BY_A_SIDECAR_OF_ANOTHER_TOKEN.values():
        await agent.request(method, route, headers=headers)
    await until_ready(agent)
    assert (await agent.get("/ready", params={"for": "events"})).status_code == 200


@pytest.mark.parametrize("address", ["::1", "::ffff:127.0.0.1"])
async def test_the_sidecar_may_come_by_either_address_family(settings: Settings, address: str) -> None:
    async with running(create_app(settings), address) as client:
        await until_ready(client)
        await client.get("/dapr/subscribe", headers=WRONG)
        await until_failing(client, "dapr")


async def test_who_sends_from_elsewhere_is_not_taken_for_the_sidecar(settings: Settings) -> None:
    async with running(create_app(settings), "10.244.0.7") as elsewhere:
        await until_ready(elsewhere)
        for method, route in BY_A_SIDECAR_OF_ANOTHER_TOKEN.values():
            await elsewhere.request(method, route, headers=WRONG)
        await until_ready(elsewhere)
        assert (await elsewhere.get("/ready", params={"for": "events"})).status_code == 200


async def test_a_forged_question_for_subscriptions_does_not_make_a_sidecar_that_is_known_a_stranger(
    agent: httpx.AsyncClient,
) -> None:
    await agent.get("/dapr/subscribe")
    for _ in range(2):
        await agent.get("/dapr/subscribe", headers=WRONG)
    await asyncio.sleep(0.5)  # a few checks later
    await until_ready(agent)
    assert (await agent.get("/ready", params={"for": "events"})).status_code == 200
    assert await deliver(agent, cloud_event(GOOD)) == "SUCCESS"
    assert_problem(await agent.post("/subscribe", json={}, headers=WRONG), 401)
    await asyncio.sleep(0.5)
    await until_ready(agent)


async def test_a_sidecar_that_was_known_and_started_anew_with_another_token_is_a_stranger(
    agent: httpx.AsyncClient,
) -> None:
    await agent.get("/dapr/subscribe")
    await agent.get("/dapr/subscribe", headers=WRONG)
    assert_problem(await agent.post("/subscribe", json={}, headers=WRONG), 401)
    await until_failing(agent, "dapr")


async def test_a_stranger_may_show_its_token_again_after_a_time_and_is_not_ready_before_it_did(
    agent: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    await agent.get("/dapr/subscribe", headers=WRONG)
    await until_failing(agent, "dapr")
    monkeypatch.setattr(guard, "KEPT_AWAY_SECONDS", 0)
    assert (await agent.get("/ready", params={"for": "events"})).status_code == 200
    await asyncio.sleep(0.5)  # a few checks later
    await until_failing(agent, "dapr")

    monkeypatch.undo()
    assert_problem(await agent.post("/subscribe", json={}, headers=WRONG), 401)
    assert_problem(await agent.get("/ready", params={"for": "events"}), 503, "another app token")
    assert await deliver(agent, cloud_event(GOOD)) == "SUCCESS"
    await until_ready(agent)


async def test_a_sidecar_that_answers_with_an_error_is_the_one_that_was_there(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    await agent.get("/dapr/subscribe", headers=WRONG)
    await until_failing(agent, "dapr")
    sidecar.broken["metadata"] = 500
    await until("an error of the sidecar", lambda: agent.get("/ready"), lambda one: "told to fail" in one.text, 2)
    assert_problem(await agent.get("/ready", params={"for": "events"}), 503, "told to fail")


async def test_a_forged_delivery_does_not_make_a_sidecar_that_is_known_a_stranger(agent: httpx.AsyncClient) -> None:
    await agent.get("/dapr/subscribe")
    assert_problem(await agent.post("/subscribe", json={}, headers=WRONG), 401)
    await until_ready(agent)
    assert (await agent.get("/ready", params={"for": "events"})).status_code == 200
