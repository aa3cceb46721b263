"""The second service."""

from collections.abc import AsyncIterator

import httpx
import pytest
from pydantic import SecretStr

from app.caller import create_app, target_of
from app.config import CallerSettings
from app.errors import ServiceError
from tests.app.client import assert_problem, running
from tests.app.sidecar import StandInSidecar

pytestmark = pytest.mark.anyio


@pytest.fixture
async def caller(sidecar: StandInSidecar) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the caller."""
    async with running(create_app(CallerSettings(dapr_http_port=sidecar.port, sidecar_timeout_seconds=2.0))) as client:
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


@pytest.mark.parametrize(
    "path",
    ["state/100%25", "state/a%3Fb%23", "state/a%2541", "state/..%2F%2F..", "state/ü%0A", "events/a;b=1"],
)
async def test_a_path_arrives_as_the_client_wrote_it(
    caller: httpx.AsyncClient, sidecar: StandInSidecar, path: str
) -> None:
    assert (await caller.get(f"/invoke/{path}")).status_code == 200
    assert sidecar.invoked[0]["path"] == path.replace("ü", "%C3%BC")


async def test_what_makes_a_retry_safe_reaches_the_agent_and_nothing_else_does(
    caller: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    passed = [
        ("idempotency-key", "order-1842"),
        ("prefer", "respond-async"),
        ("prefer", "wait=10"),
        ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),
        ("tracestate", "vendor=1"),
        ("content-type", "application/json"),
    ]
    kept = {
        "dapr-api-token": "x",
        "dapr-app-id": "another",
        "authorization": "Basic ZGFwci1hcHAtaWQ6YQ==",
        "cookie": "a=1",
    }
    await caller.post("/invoke/publish", content=b"{}", headers=[*passed, *kept.items()])
    (call,) = sidecar.invoked
    assert {(name.lower(), value) for name, value in call["headers"].items()} >= {*passed}
    assert call["headers"].keys() & kept.keys() == set()


async def test_a_body_without_a_type_stays_without(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    await caller.post("/invoke/publish", content=b"{}")
    assert sidecar.invoked[0]["type"] is None


async def test_what_a_client_acts_on_comes_back(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    passed = {"preference-applied": "respond-async", "retry-after": "2", "allow": "GET", "www-authenticate": "x"}
    kept = {"connection": "close", "set-cookie": "a=1", "dapr-api-token": "x", "server": "x"}
    sidecar.invoke_answer = (202, "application/json", b"{}")
    sidecar.invoke_headers = passed | kept
    headers = (await caller.post("/invoke/publish", content=b"{}")).headers
    assert passed.items() <= headers.items()
    assert headers.keys() & kept.keys() == set()


async def test_a_location_is_followed_through_the_caller(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    sidecar.invoke_headers = {"location": "/events/order-1842"}
    location = (await caller.post("/invoke/publish", content=b"{}")).headers["location"]
    await caller.get(location)
    assert sidecar.invoked[1]["path"] == "events/order-1842"


@pytest.mark.parametrize("status", [200, 404, 422, 503])
async def test_the_answer_is_what_the_agent_said(
    caller: httpx.AsyncClient, sidecar: StandInSidecar, status: int
) -> None:
    sidecar.invoke_answer = (status, "application/problem+json", b'{"detail": "said so"}')
    response = await caller.get("/invoke/ready")
    assert (response.status_code, response.content) == (status, b'{"detail": "said so"}')
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(("status", "told"), [(400, 400), (431, 431), (502, 503)])
async def test_what_only_a_sidecar_says_is_a_problem_too(
    caller: httpx.AsyncClient, sidecar: StandInSidecar, status: int, told: int
) -> None:
    sidecar.invoke_answer = (status, "text/plain; charset=utf-8", b"Request Header Fields Too Large")
    assert_problem(await caller.get("/invoke/ready"), told, f"the sidecar answered {status}: Request Header")


async def test_an_agent_that_cannot_be_reached_is_a_503(caller: httpx.AsyncClient, sidecar: StandInSidecar) -> None:
    sidecar.invoke_answer = (500, "application/json", b'{"errorCode":"ERR_DIRECT_INVOKE","message":"no address"}')
    assert_problem(await caller.get("/invoke/ready"), 503, "fastapi-dapr-agent", "ERR_DIRECT_INVOKE")

    sidecar.hanging = True
    assert_problem(await caller.get("/invoke/ready"), 503, "fastapi-dapr-agent", "did not answer")


@pytest.mark.parametrize("path", [b"../../../shutdown", b"x/../../../../shutdown", b"x/.", b"/x", b"x//y", b"x/"])
def test_an_invocation_cannot_climb_to_the_sidecars_own_api(path: bytes) -> None:
    with pytest.raises(ServiceError, match="400: path"):
        target_of(b"/invoke/" + path, "")


@pytest.mark.parametrize("path", [b"state/a%", b"state/%zz", b"state/%4"])
def test_a_path_with_a_broken_escape_is_refused_by_name(path: bytes) -> None:
    with pytest.raises(ServiceError, match="400: path: %"):
        target_of(b"/invoke/" + path, "")


async def test_what_the_agents_access_control_refuses_is_a_403(
    caller: httpx.AsyncClient, sidecar: StandInSidecar
) -> None:
    denied = b'{"errorCode":"ERR_DIRECT_INVOKE","message":"access control policy has denied access to id: spiffe://x"}'
    sidecar.invoke_answer = (403, "application/json", denied)
    problem = assert_problem(await caller.post("/invoke/subscribe", json={}), 403, "path", "fastapi-dapr-agent", "POST")
    assert "spiffe" not in problem["detail"]


@pytest.mark.parametrize("token", ["", "   "])
async def test_a_sidecar_that_asks_for_a_token_that_is_not_there_is_named(
    sidecar: StandInSidecar, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("DAPR_API_TOKEN", token)
    sidecar.token = "wanted"
    async with running(create_app(CallerSettings(dapr_http_port=sidecar.port))) as caller:
        assert_problem(await caller.get("/ready"), 503, "dapr", "401", "invalid api token")
        assert_problem(await caller.get("/invoke/health"), 503, "401", "invalid api token")


async def test_the_token_is_shown_to_the_sidecar_that_asks_for_it(sidecar: StandInSidecar) -> None:
    sidecar.token = "wanted"
    settings = CallerSettings(dapr_http_port=sidecar.port, dapr_api_token=SecretStr("wanted"))
    async with running(create_app(settings)) as caller:
        assert (await caller.get("/ready")).status_code == 200
        assert (await caller.get("/invoke/health")).status_code == 200


async def test_the_caller_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAPR_HTTP_PORT", raising=False)
    assert create_app().title == "fastapi-dapr-caller"
