"""The suite's options: one table, each also by environment variable."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from acceptance.harness import names
from acceptance.harness.catalogue import TIERS
from acceptance.harness.names import Names
from cluster.paths import CHECKOUT

OVERLAYS = CHECKOUT / "overlays"


@dataclass(frozen=True)
class Option:
    """One command-line option; its variable is ACCEPTANCE_ and its name."""

    name: str
    default: str
    help: str
    choices: tuple[str, ...] | None = None
    flag: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets this option."""
        return "ACCEPTANCE_" + self.name.upper().replace("-", "_")


TABLE = (
    Option(
        "cluster",
        "auto",
        "auto: the cluster of `make up`; current: the current context; kind, minikube: create one",
        choices=("auto", "kind", "minikube", "current"),
    ),
    Option("context", "", "context of the kubeconfig to use; naming it also allows a cluster that is not local"),
    Option(
        "overlay",
        "",
        "apply overlays/NAME before the run (default: test what is deployed)",
        choices=tuple(sorted(one.parent.name for one in OVERLAYS.glob("*/kustomization.yaml"))),
    ),
    Option(
        "keep",
        "never",
        "keep what the run created: a cluster, or an overlay's objects",
        choices=("never", "on-failure", "always"),
    ),
    Option("system", "", "file that says what the system's parts are called here (default: acceptance/system.toml)"),
    Option("faults", "", "also run each further fault once, at reduced size", flag=True),
    Option("endurance", "", "also run every size written in the criteria file", flag=True),
    Option("time-scale", "1", "factor on every deadline and bound that is a time"),
    Option("fault-backends", "", "comma-separated namespace/statefulset of foreign backends that faults may hit"),
    Option("seed", "", "number that random moments are drawn from (default: a new one, told in the report)"),
    Option("plan", "", "print what would run, which faults hit what and for how long, and touch nothing", flag=True),
)
DEFAULTS = {option.name: option.default for option in TABLE}
REPEATED = ("cluster", "context", "overlay", "system", "time-scale", "fault-backends")
"""What makes another run of what is not repeated."""


@dataclass(frozen=True)
class Options:
    """The options of one run, parsed."""

    cluster: str
    context: str | None
    overlay: str | None
    keep: str
    tiers: tuple[str, ...]
    time_scale: float
    fault_backends: frozenset[str]
    seed: int
    plan: bool
    names: Names = field(default_factory=names.load)
    given: tuple[str, ...] = ()
    """What another run has to be given to be the same, but for the tiers."""


def add(parser: pytest.Parser) -> None:
    """Register every option in one group of `pytest acceptance --help`."""
    group = parser.getgroup("acceptance", "acceptance suite (each option also by environment variable)")
    for option in TABLE:
        default = os.environ.get(option.variable, option.default)
        text = f"{option.help} [${option.variable}, default: {option.default or 'none'}]"
        if option.flag:
            kind: dict[str, Any] = {"action": "store_true", "default": default.lower() in {"1", "true", "yes"}}
        else:
            kind = {"choices": option.choices, "default": default}
        group.addoption(f"--{option.name}", dest=f"acceptance_{option.name}", help=text, **kind)


def parse(config: pytest.Config) -> Options:
    """The run's options. Raises pytest.UsageError naming the option that is wrong."""
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("-n: faults hit one cluster, one after the other")
    values = {option.name: config.getoption(f"acceptance_{option.name}") for option in TABLE}
    for option in TABLE:
        if option.choices and values[option.name] not in {option.default, *option.choices}:
            raise pytest.UsageError(f"--{option.name} ({option.variable}): {values[option.name]!r} is none of "
                                    f"{', '.join(option.choices)}")  # fmt: skip
    try:
        time_scale = float(values["time-scale"])
    except ValueError:
        time_scale = 0.0
    if not 0 < time_scale <= 100:
        raise pytest.UsageError(f"--time-scale: {values['time-scale']!r} is not a number above 0 and up to 100")
    seed = values["seed"] or str(secrets.randbelow(10**6))
    if not seed.isdecimal():
        raise pytest.UsageError(f"--seed: {seed!r} is not a whole number")
    try:
        named = names.load(Path(values["system"]) if values["system"] else None)
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"--system: {values['system']}: {error}") from error
    same = [(name, str(values[name])) for name in REPEATED if values[name]] + [("seed", seed)]
    highest = 2 if values["endurance"] else int(values["faults"])
    return Options(
        cluster=values["cluster"],
        context=values["context"] or None,
        overlay=values["overlay"] or None,
        keep=values["keep"],
        tiers=TIERS[: highest + 1],
        time_scale=time_scale,
        fault_backends=frozenset(name.strip() for name in values["fault-backends"].split(",") if name.strip()),
        seed=int(seed),
        plan=values["plan"],
        names=named,
        given=tuple(f"--{name}={value}" for name, value in same if value != DEFAULTS.get(name)),
    )
