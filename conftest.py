"""Options of the acceptance suite and the cluster it runs on, for the whole run."""

from collections.abc import Iterator
from contextlib import ExitStack, nullcontext

import pytest

from acceptance.harness import options
from acceptance.harness.cluster import Cluster
from acceptance.harness.errors import EnvironmentNotReadyError, ExitCode
from cluster import proxies


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's own."""
    options.add(parser)


def pytest_configure() -> None:
    """Reach what is on this machine without a proxy."""
    proxies.spare()


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster of this run; without one the run ends here, with exit code 10."""
    from acceptance.harness.environment import opened  # noqa: PLC0415 -- the client is slow to import, unit tests do without

    capture = request.config.pluginmanager.get_plugin("capturemanager")
    try:
        with ExitStack() as stack:
            # What creates a cluster shows its progress.
            with capture.global_and_fixture_disabled() if capture else nullcontext():
                parsed = options.parse(request.config)
                cluster = stack.enter_context(opened(parsed, lambda: request.session.testsfailed > 0))
            yield cluster
    except EnvironmentNotReadyError as error:
        pytest.exit(f"environment not ready: {error}", returncode=ExitCode.NOT_READY)
