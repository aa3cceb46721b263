"""One agent for all that is fuzzed."""

from collections.abc import Iterator

import pytest
from anyio.from_thread import start_blocking_portal

from tests.app.fuzz.agent import FuzzedAgent, serving
from tests.app.postgres import PostgresServer


@pytest.fixture(scope="module")
def agent(postgres_server: PostgresServer) -> Iterator[FuzzedAgent]:
    """The agent, in a thread of its own: its background checks go on while inputs are made."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(postgres_server)) as client:
        yield FuzzedAgent(portal, client)
