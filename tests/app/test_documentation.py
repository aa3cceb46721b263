"""The documentation as a browser without internet sees it: whatever the page needs comes from the service itself."""

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser

import httpx
import pytest

from app.caller import create_app as create_caller
from app.config import CallerSettings, Settings
from app.main import create_app
from tests.app.client import assert_problem, running

pytestmark = pytest.mark.anyio
TYPES = {"js": {"text/javascript", "application/javascript"}, "css": {"text/css"}, "png": {"image/png"}}
"""By the end of a name; what a script is called depends on Python's version."""


@pytest.fixture(params=["agent", "caller"])
async def client(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of either service."""
    caller = request.param == "caller"
    async with running(create_caller(CallerSettings(dapr_http_port=1)) if caller else create_app(settings)) as client:
        yield client


class Page(HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.references: list[str] = []
        self.feed(text)
        self.references += re.findall(r"""\burl: ['"]([^'"]*)""", text)

    def handle_starttag(self, _: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note the addresses that a browser would follow by itself."""
        self.references += [value for name, value in attributes if name in {"src", "href"} and value]


async def test_the_page_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs")
    assert answer.status_code == 200
    assert re.findall(r"\bhttps?://[^\s'\"]*|['\"(]//", answer.text) == []
    references = Page(answer.text).references
    assert {reference.rpartition(".")[2] for reference in references} == {"css", "png", "js", "json"}
    for reference in references:
        got = await client.get(reference)
        assert (got.status_code, bool(got.content)) == (200, True), reference
        head = await client.head(reference)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(got.content))), reference
        ending = reference.rpartition(".")[2]
        content_type = got.headers["content-type"].partition(";")[0]
        assert content_type in TYPES.get(ending, {"application/json"}), reference


async def test_the_style_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    (style,) = [one for one in Page((await client.get("/docs")).text).references if one.endswith(".css")]
    addresses = re.findall(r"""(?:url\(|@import)\s*['"]?([^'")\s;]*)""", (await client.get(style)).text)
    assert {address.partition(":")[0] for address in addresses} <= {"data"}


async def test_the_page_for_oauth_needs_nothing_from_elsewhere(client: httpx.AsyncClient) -> None:
    answer = await client.get("/docs/oauth2-redirect")
    assert answer.status_code == 200
    assert Page(answer.text).references == []
    assert "://" not in answer.text


async def test_there_is_one_documentation(client: httpx.AsyncClient) -> None:
    assert_problem(await client.get("/redoc"), 404)


async def test_what_the_page_needs_says_what_it_takes(client: httpx.AsyncClient) -> None:
    for reference in Page((await client.get("/docs")).text).references:
        for method, status in (("OPTIONS", 204), ("POST", 405)):
            answer = await client.request(method, reference)
            assert (answer.status_code, answer.headers["allow"]) == (status, "GET, HEAD, OPTIONS"), reference


async def test_beside_what_the_page_needs_nothing_is_served(client: httpx.AsyncClient) -> None:
    (script,) = [one for one in Page((await client.get("/docs")).text).references if one.endswith(".js")]
    folder = script.rpartition("/")[0]
    for name in ("", "/", "/absent.js", "/%2e%2e/core.py", "/..%2fcore.py", "/%00", "/" + "x" * 5000):
        assert_problem(await client.get(folder + name), 404)
