"""The suite's options: a table, each also by environment variable."""

import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from acceptance.harness.suite.catalogue import TIERS, Catalogue, load, nearest

PREFIX = "acceptance-"
SHORT = pytest.StashKey[bool]()
"""Set where options go without the prefix."""
GROUP = "acceptance suite"


@dataclass(frozen=True)
class Option:
    """One command-line option; its variable is ACCEPTANCE_ and its name.

    What is `repeated` makes another run of what is not.
    """

    name: str
    default: str
    help: str
    choices: tuple[str, ...] | None = None
    flag: bool = False
    repeated: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that sets this option."""
        return "ACCEPTANCE_" + self.name.upper().replace("-", "_")

    @property
    def member(self) -> str:
        """Where pytest's configuration has it."""
        return f"acceptance_{self.name}"


TABLE = (
    Option("criteria", "", "file of criteria and scenarios (default: criteria.toml beside the tests, or above)"),
    Option("context", "", "context of the kubeconfig to use; naming it also allows a cluster that is not local",
           repeated=True),
    Option("faults", "", "also run each further fault once, at reduced size", flag=True),
    Option("endurance", "", "also run every size written in the criteria file", flag=True),
    Option("time-scale", "1", "factor on every deadline and bound that is a time", repeated=True),
    Option("fault-backends", "", "comma-separated namespace/statefulset of foreign backends that faults may hit",
           repeated=True),
    Option("seed", "", "number that random moments are drawn from (default: a new one, told in the report)"),
    Option("plan", "", "print what would run, which faults hit what and for how long, and touch nothing", flag=True),
)  # fmt: skip


KNOWN: dict[str, Option] = {}
"""Every option that was registered, by name: those of a suite of one's own too."""


@dataclass(frozen=True)
class Options:
    """The options of one run, parsed."""

    catalogue: Catalogue
    context: str | None
    tiers: tuple[str, ...]
    time_scale: float
    fault_backends: frozenset[str]
    seed: int
    plan: bool
    given: tuple[str, ...] = ()
    """What another run has to be given to be the same, but for the tiers."""


def add(parser: pytest.Parser, table: Iterable[Option] = TABLE, prefix: str = PREFIX) -> None:
    """Register options in one group of `pytest --help`; the same ones under another prefix are the same."""
    group = parser.getgroup("acceptance", f"{GROUP} (each option also by environment variable)")
    for option in table:
        KNOWN[option.name] = option
        default = os.environ.get(option.variable, option.default)
        text = f"{option.help} [${option.variable}, default: {option.default or 'none'}]"
        if option.flag:
            kind: dict[str, Any] = {"action": "store_true", "default": default.lower() in {"1", "true", "yes"}}
        else:
            kind = {"choices": option.choices, "default": default}
        group.addoption(f"--{prefix}{option.name}", dest=option.member, help=text, **kind)


def written(config: pytest.Config, name: str) -> str:
    """An option as a run calls it: without the prefix where a suite leaves that out."""
    return f"--{'' if config.stash.get(SHORT, False) else PREFIX}{name}"


def values_of(config: pytest.Config, table: Iterable[Option]) -> dict[str, Any]:
    """What options are set to, by name. Raises pytest.UsageError for one that none of its choices is."""
    values = {option.name: config.getoption(option.member) for option in table}
    for option in table:
        if option.choices and values[option.name] not in {option.default, *option.choices}:
            told = f"{written(config, option.name)} ({option.variable}): {values[option.name]!r}"
            raise pytest.UsageError(f"{told} is none of {', '.join(option.choices)}")
    return values


def given(config: pytest.Config) -> list[tuple[str, str]]:
    """Those options that another run has to be given too."""
    values = {one.name: str(config.getoption(one.member)) for one in KNOWN.values() if one.repeated}
    return [(name, value) for name, value in values.items() if value != KNOWN[name].default]


def find(config: pytest.Config) -> Catalogue | None:
    """The criteria that a run is about; None for one that is not ours. Raises pytest.UsageError for a wrong file."""
    named = config.getoption("acceptance_criteria")
    asked = [config.invocation_params.dir / one.partition("::")[0] for one in config.args]
    file = Path(named) if named else nearest([one.resolve() for one in asked if one.exists()], config.rootpath)
    try:
        return load(file) if file else None
    except (OSError, ValueError) as error:
        raise pytest.UsageError(f"{written(config, 'criteria')}: {error}") from error


def parse(config: pytest.Config, catalogue: Catalogue) -> Options:
    """The run's options. Raises pytest.UsageError naming the option that is wrong."""
    if config.getoption("numprocesses", None):
        raise pytest.UsageError("-n: faults hit one cluster, one after the other")
    values = values_of(config, TABLE)
    try:
        time_scale = float(values["time-scale"])
    except ValueError:
        time_scale = 0.0
    if not 0 < time_scale <= 100:
        told = f"{written(config, 'time-scale')}: {values['time-scale']!r}"
        raise pytest.UsageError(f"{told} is not a number above 0 and up to 100")
    seed = values["seed"] or str(secrets.randbelow(10**6))
    if not seed.isdecimal():
        raise pytest.UsageError(f"{written(config, 'seed')}: {seed!r} is not a whole number")
    same = [*given(config), ("seed", seed)]
    highest = 2 if values["endurance"] else int(values["faults"])
    return Options(
        catalogue=catalogue,
        context=values["context"] or None,
        tiers=TIERS[: highest + 1],
        time_scale=time_scale,
        fault_backends=frozenset(name.strip() for name in values["fault-backends"].split(",") if name.strip()),
        seed=int(seed),
        plan=values["plan"],
        given=tuple(f"{written(config, name)}={value}" for name, value in same),
    )
