"""One event per idempotency key, whoever notices."""

import json
from string import ascii_letters, digits
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from app.config import Settings
from app.main import create_app
from tests.app.client import assert_problem, cloud_event, deliver, running, until_ready
from tests.app.postgres import PostgresServer
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import in_time

pytestmark = pytest.mark.anyio

EVENT: dict[str, Any] = {"message": "m", "metadata": {"key": "k", "amount": 1.5, "more": {"b": [1, None], "a": "ü"}}}
OTHER = {"message": "m", "metadata": {"key": "k", "amount": 2.5}}


async def publish(agent: httpx.AsyncClient, key: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return await agent.post("/publish", json=body, headers={"Idempotency-Key": key} | headers)


async def apply(agent: httpx.AsyncClient, key: str, body: dict[str, Any]) -> str:
    return await deliver(agent, cloud_event(body, id=key))


async def test_a_retry_under_the_same_key_is_one_event(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    key = uuid4().hex
    answers = [await publish(agent, key, EVENT) for _ in range(2)]
    assert [(answer.status_code, answer.json()["id"]) for answer in answers] == [(200, key)] * 2

    assert [await deliver(agent, record) for _, record in sidecar.records] == ["SUCCESS"] * 2
    assert (await publish(agent, key, EVENT)).status_code == 200
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", key) == 1


async def test_a_key_may_have_128_characters(agent: httpx.AsyncClient) -> None:
    key = f"{ascii_letters}{digits}._~-{uuid4().hex}".ljust(128, "x")
    assert (await publish(agent, key, EVENT)).json()["id"] == key


@pytest.mark.parametrize("key", ["", "x" * 129, "a b", "a/b", "a\tb", "a%20b", "\u00fc", ".", "..", "..."])
async def test_a_bad_key_is_refused_naming_the_header(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, key: str
) -> None:
    headers = [(b"Idempotency-Key", key.encode())]
    problem = assert_problem(await agent.post("/publish", json=EVENT, headers=headers), 400, "Idempotency-Key")
    assert problem["errors"][0]["field"] == "Idempotency-Key"
    assert not sidecar.published


async def test_two_keys_are_refused_naming_the_header(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    assert_problem(await agent.post("/publish", json=EVENT, headers=headers), 400, "Idempotency-Key: expected one")
    assert not sidecar.published


async def test_another_body_under_a_key_that_was_applied_is_refused(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    key = uuid4().hex
    await apply(agent, key, EVENT)
    for headers in ({}, {"Prefer": "respond-async"}):
        assert_problem(await publish(agent, key, OTHER, **headers), 422, "Idempotency-Key")
    assert not sidecar.published


async def test_the_same_data_written_in_another_way_is_the_same_event(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    key = uuid4().hex
    await apply(agent, key, EVENT)
    turned = json.loads(json.dumps(EVENT, sort_keys=True, indent=2, ensure_ascii=True))
    assert (await publish(agent, key, turned)).status_code == 200
    assert await deliver(agent, sidecar.records[0][1]) == "SUCCESS"
    assert len(sidecar.published) == 1, "it was taken for another event and dead-lettered"


@pytest.mark.brief
@pytest.mark.parametrize("how", ["stopped", "frozen"])
async def test_without_the_database_an_event_with_a_key_is_published_all_the_same(
    settings: Settings, sidecar: StandInSidecar, postgres: PostgresServer, how: str
) -> None:
    patient = settings.model_copy(update={"database_timeout_seconds": 10.0})  # the look up for a key is not
    async with running(create_app(patient)) as agent:
        await until_ready(agent)
        postgres.take_away(how)
        response = await publish(agent, "some-key", EVENT)
        postgres.restore()
    assert response.status_code == 200, response.text
    assert response.elapsed.total_seconds() < in_time(settings.key_lookup_timeout_seconds)
    assert sidecar.published[0]["id"] == "some-key"


async def test_a_key_that_only_the_handler_sees_used_again_is_dead_lettered_each_time(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, sql: asyncpg.Connection
) -> None:
    key = uuid4().hex
    bodies = [EVENT, OTHER, {"message": "third"}]
    assert [await apply(agent, key, body) for body in bodies * 2] == ["SUCCESS"] * 6

    letters = [letter["data"] for letter in sidecar.published]
    assert [letter["id"] for letter in letters] == [key, key], "expected one dead letter for each other body"
    assert all(letter["reason"].startswith("key reused") for letter in letters)
    assert await sql.fetchval("SELECT count(*) FROM effects WHERE event_id = $1", key) == 1
    seen = (await agent.get(f"/events/{key}")).json()
    assert (seen["status"], seen["metadata"], seen["attempts"]) == ("applied", EVENT["metadata"], 2)


async def test_two_poison_events_under_one_id_are_both_dead_lettered(
    agent: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    key = uuid4().hex
    bodies: list[dict[str, Any]] = [{}, {"message": 7}, {}]
    for data in bodies:
        await apply(agent, key, data)
    assert [letter["data"]["id"] for letter in sidecar.published] == [key, key]
