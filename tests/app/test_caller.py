"""The second service."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.caller import create_app, target_of
from app.config import CallerSettings
from app.errors import ServiceError
from tests.app.client import assert_problem, running
from tests.app.sidecar import StandInSidecar

pytestmark = pytest.mark.anyio


@pytest.fixture
async def caller(sidecar: StandInSidecar) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the caller."""
    async with running(create_app(CallerSettings(dapr_http_port=sidecar.port, sidecar_timeout_seconds=0.4))) as client:
        yield client


async def test_health_and_ready_say_yes(caller: httpx.AsyncClient) -> None:
    assert (await caller.get("/health")).json() == {"status": "healthy", "service": "fastapi-dapr-caller"}
    assert (await caller.get("/ready")).json() == {"status": "ready"}


async def test_ready_does_not_depend_on_kafka(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    sidecar.components = []
    assert (await caller.get("/ready")).status_code == 200


async def test_ready_says_no_without_its_sidecar(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    sidecar.hanging = True
    assert_problem(await caller.get("/ready"), 503, "dapr")
    assert (await caller.get("/health")).status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_an_invocation_reaches_the_agent_as_it_was_made(
    caller: httpx.AsyncClient, sidecar: StandInSidecar, method: str
) -> None:
    headers = {"content-type": "application/json"} if method == "POST" else {}
    content = b'{"a": 1}' if method == "POST" else b""
    await caller.request(method, "/invoke/state/a%2Fb%3F?for=serving&x=%20", content=content, headers=headers)
    (call,) = sidecar.invoked
    assert (call["app_id"], call["method"], call["path"]) == ("fastapi-dapr-agent", method, "state/a%2Fb%3F")
    assert call["query"] == "for=serving&x=%20"
    assert (call["body"], call["type"]) == (content, headers.get("content-type"))


@pytest.mark.parametrize("status", [200, 404, 422, 503])
async def test_the_answer_is_what_the_agent_said(
    caller: httpx.AsyncClient, sidecar: StandInSidecar, status: int
) -> None:
    sidecar.invoke_answer = (status, "application/problem+json", b'{"detail": "said so"}')
    response = await caller.get("/invoke/ready")
    assert (response.status_code, response.content) == (status, b'{"detail": "said so"}')
    assert response.headers["content-type"] == "application/problem+json"


async def test_an_agent_that_cannot_be_reached_is_a_503(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    sidecar.invoke_answer = (500, "application/json", b'{"errorCode":"ERR_DIRECT_INVOKE","message":"no address"}')
    assert_problem(await caller.get("/invoke/ready"), 503, "fastapi-dapr-agent", "ERR_DIRECT_INVOKE")

    sidecar.hanging = True
    assert_problem(await caller.get("/invoke/ready"), 503, "fastapi-dapr-agent", "did not answer")


@pytest.mark.parametrize("path", [b"../../../shutdown", b"x/../../../../shutdown", b"x/."])
def test_an_invocation_cannot_climb_to_the_sidecars_own_api(path: bytes) -> None:
    with pytest.raises(ServiceError, match="400: path"):
        target_of(b"/invoke/" + path, "")


async def test_the_caller_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAPR_HTTP_PORT", raising=False)
    assert create_app().title == "fastapi-dapr-caller"
