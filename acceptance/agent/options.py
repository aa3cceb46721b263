"""The options of the suite on this system, beside those of every suite."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from acceptance.agent import names
from acceptance.agent.names import Names
from acceptance.harness.suite.options import Option, values_of
from cluster.paths import CHECKOUT

OVERLAYS = CHECKOUT / "overlays"
TABLE = (
    Option(
        "cluster",
        "auto",
        "auto: the cluster of `make up`; current: the current context; kind, minikube: create one",
        choices=("auto", "kind", "minikube", "current"),
        repeated=True,
    ),
    Option(
        "overlay",
        "",
        "apply overlays/NAME before the run (default: test what is deployed)",
        choices=tuple(sorted(one.parent.name for one in OVERLAYS.glob("*/kustomization.yaml"))),
        repeated=True,
    ),
    Option(
        "keep",
        "never",
        "keep what the run created: a cluster, or an overlay's objects",
        choices=("never", "on-failure", "always"),
    ),
    Option(
        "system",
        "",
        "file that says what the system's parts are called here (default: acceptance/system.toml)",
        repeated=True,
    ),
)


@dataclass(frozen=True)
class AgentOptions:
    """These options, parsed."""

    cluster: str
    overlay: str | None
    keep: str
    names: Names


def parse(config: pytest.Config) -> AgentOptions:
    """The options of a run. Raises pytest.UsageError naming the one that is wrong."""
    values = values_of(config, TABLE)
    try:
        named = names.load(Path(values["system"]) if values["system"] else None)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--system: {values['system']}: {error}") from error
    return AgentOptions(values["cluster"], values["overlay"] or None, values["keep"], named)
