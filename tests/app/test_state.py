"""State through the sidecar."""

import json
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from app.config import Settings
from tests.app.client import assert_problem
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import in_time

pytestmark = pytest.mark.anyio

VALUES: list[Any] = [None, True, 0, -0.5, 2**53, 1e300, "", "ü\0\u2028<&>", [], {}, {"a": [1, {"b": None}]}]
KEYS = [
    "plain",
    "a/b",
    "a//b",
    "/a/",
    "..",
    "../x",
    ".",
    "a%2Fb",
    "100%",
    "a?b=c",
    "a#b",
    "a b",
    "a+b",
    "ü",
    "|",
    "bulk",
]
BAD_KEYS: list[tuple[Any, str]] = [
    ("", "key"),
    ("a||b", "key"),
    ("x" * 513, "key"),
    ("a\0b", "key"),
    ("a\tb\x7f", "key"),
    ("a\nb", "key"),
    ("a\n", "key"),
    ("\ud800", "key"),
    (3, "key"),
    (None, "key"),
]
BAD_VALUES: list[Any] = [2**53 + 1, [-(2**53) - 1], float("inf"), {"x": float("nan")}, "\ud800", {"\ud800": 1}]


def path(key: str) -> str:
    return f"/state/{quote(key, safe='').replace('.', '%2E')}"


async def save(agent: httpx.AsyncClient, body: object) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return await agent.post("/state", content=json.dumps(body).encode(), headers=headers)


@pytest.mark.parametrize("value", VALUES, ids=[f"{value!r:.20}" for value in VALUES])
async def test_a_saved_value_comes_back_equal(agent: httpx.AsyncClient, value: object) -> None:
    saved = await save(agent, {"key": "k", "value": value})
    read = await agent.get("/state/k")
    assert (saved.status_code, saved.json()) == (200, {"status": "saved", "key": "k"})
    assert (read.status_code, read.json()) == (200, {"key": "k", "value": value})


@pytest.mark.parametrize("key", KEYS)
async def test_any_key_that_can_be_saved_can_be_read_and_deleted(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, key: str
) -> None:
    assert (await save(agent, {"key": key, "value": 1})).status_code == 200
    assert sidecar.state == {key: 1}
    assert (await agent.get(path(key))).json() == {"key": key, "value": 1}
    assert (await agent.delete(path(key))).json() == {"status": "deleted", "key": key}
    assert sidecar.state == {}


async def test_an_absent_key_is_a_404(agent: httpx.AsyncClient) -> None:
    assert_problem(await agent.get("/state/absent"), 404, "absent")


async def test_deleting_an_absent_key_succeeds(agent: httpx.AsyncClient) -> None:
    response = await agent.delete("/state/absent")
    assert (response.status_code, response.json()) == (200, {"status": "deleted", "key": "absent"})


@pytest.mark.parametrize(("key", "field"), BAD_KEYS, ids=[f"{case[0]!r:.20}" for case in BAD_KEYS])
async def test_a_bad_key_is_refused(agent: httpx.AsyncClient, sidecar: StandInSidecar, key: object, field: str) -> None:
    problem = assert_problem(await save(agent, {"key": key, "value": 1}), 422, field)
    assert problem["errors"][0]["field"] == field
    assert not sidecar.state
    if isinstance(key, str) and key.isascii():
        assert_problem(await agent.get(path(key)), 422, "key")
        assert_problem(await agent.delete(path(key)), 422, "key")


@pytest.mark.parametrize("value", BAD_VALUES, ids=[f"{value!r:.20}" for value in BAD_VALUES])
async def test_a_value_that_dapr_would_change_is_refused(
    agent: httpx.AsyncClient, sidecar: StandInSidecar, value: object
) -> None:
    assert_problem(await save(agent, {"key": "k", "value": value}), 422, "value")
    assert not sidecar.state


async def test_a_body_without_value_is_refused(agent: httpx.AsyncClient) -> None:
    assert_problem(await save(agent, {"key": "k"}), 422, "value")


async def test_a_member_that_means_nothing_is_refused(agent: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    assert_problem(await save(agent, {"key": "k", "value": 1, "ttlInSeconds": 60}), 422, "ttlInSeconds")
    assert not sidecar.state


@pytest.mark.brief
@pytest.mark.parametrize("how", ["fails", "hangs", "has no store"])
async def test_a_sidecar_that_does_not_answer_is_a_503(
    agent: httpx.AsyncClient, settings: Settings, sidecar: StandInSidecar, how: str
) -> None:
    if how == "fails":
        sidecar.broken["state"] = 500
    if how == "has no store":
        sidecar.components.clear()
    sidecar.hanging = how == "hangs"
    for response in (
        await save(agent, {"key": "k", "value": 1}),
        await agent.get("/state/k"),
        await agent.delete("/state/k"),
    ):
        assert_problem(response, 503, "statestore")
        assert response.headers["retry-after"]
        assert response.elapsed.total_seconds() < in_time(settings.sidecar_timeout_seconds)
