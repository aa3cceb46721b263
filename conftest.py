"""Options of the acceptance suite, which pytest reads before it looks into its folder; here also without a prefix."""

import pytest

from acceptance.agent.options import TABLE
from acceptance.harness.kube import proxies
from acceptance.harness.suite import options

pytest_plugins = ["acceptance.harness.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of this system, and those of every suite by their short names."""
    options.add(parser, TABLE, prefix="")
    options.add(parser, options.TABLE, prefix="")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Reach what is on this machine without a proxy; call options by their short names."""
    proxies.spare()
    config.stash[options.SHORT] = True
