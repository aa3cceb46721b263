"""Options of the acceptance suite, which pytest reads before it looks into its folder."""

import pytest

from acceptance.harness import options
from cluster import proxies


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the suite's options to pytest's own."""
    options.add(parser)


def pytest_configure() -> None:
    """Reach what is on this machine without a proxy."""
    proxies.spare()
