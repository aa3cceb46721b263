"""What every route makes of HTTP's own methods, and of targets that are no text."""

from collections.abc import AsyncIterator

import httpx
import pytest

from app.caller import create_app as create_caller
from app.config import CallerSettings
from tests.app.client import assert_problem, running

pytestmark = pytest.mark.anyio
ALLOWED = [
    ("/health", "GET, HEAD, OPTIONS"),
    ("/publish", "POST, OPTIONS"),
    ("/state", "POST, OPTIONS"),
    ("/state/a%2Fb", "DELETE, GET, HEAD, OPTIONS"),
    ("/events/x", "GET, HEAD, OPTIONS"),
]


@pytest.fixture
async def caller() -> AsyncIterator[httpx.AsyncClient]:
    """A client of a caller whose sidecar is away."""
    async with running(create_caller(CallerSettings(dapr_http_port=1))) as client:
        yield client


@pytest.mark.parametrize(("path", "methods"), ALLOWED)
async def test_a_path_says_what_it_takes(agent: httpx.AsyncClient, path: str, methods: str) -> None:
    answer = await agent.options(path)
    assert (answer.status_code, answer.headers["allow"], answer.content) == (204, methods, b"")
    answer = await agent.patch(path)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == methods


async def test_the_caller_says_what_it_passes_on(caller: httpx.AsyncClient) -> None:
    assert (await caller.options("/invoke/publish")).headers["allow"] == "DELETE, GET, POST, HEAD, OPTIONS"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
async def test_what_is_not_there_is_a_404_by_any_method(agent: httpx.AsyncClient, method: str) -> None:
    assert (await agent.request(method, "/nowhere")).status_code == 404


@pytest.mark.parametrize("path", ["/health", "/db/query", "/state/absent"])
async def test_head_is_get_without_the_body(agent: httpx.AsyncClient, path: str) -> None:
    got, head = await agent.get(path), await agent.head(path)
    assert (head.status_code, head.headers["content-type"], head.headers["content-length"]) == (
        got.status_code,
        got.headers["content-type"],
        got.headers["content-length"],
    )


@pytest.mark.parametrize("path", ["/state/%ff", "/events/%C3", "/state/%ED%A0%80"])
async def test_a_path_that_is_no_text_is_refused(agent: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "DELETE", "OPTIONS"):
        assert_problem(await agent.request(method, path), 400, "path: its percent-encoding is not UTF-8")


async def test_a_query_that_is_no_text_is_refused(agent: httpx.AsyncClient) -> None:
    assert_problem(await agent.get("/events?key=%ff"), 400, "query: its percent-encoding is not UTF-8")


async def test_the_caller_passes_no_path_on_that_is_no_text(caller: httpx.AsyncClient) -> None:
    assert_problem(await caller.get("/invoke/state/%ff"), 400, "path: its percent-encoding is not UTF-8")
