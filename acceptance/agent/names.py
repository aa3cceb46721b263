"""What the parts of the system are called: system.toml, and what a user's own file says otherwise."""

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

FILE = Path(__file__).parents[1] / "system.toml"


class Section:
    """A table of the file, whose members are names, or tables again."""

    @classmethod
    def read(cls, told: dict[str, Any], where: str = "") -> Self:
        """The section as a file tells it. Raises ValueError naming a member that is missing, unknown or no name."""
        kinds = {one.name: one.type for one in fields(cls)}  # type: ignore[arg-type]  # every section is a dataclass
        if unknown := sorted(told.keys() - kinds.keys()):
            raise ValueError(f"{where}{unknown[0]} is none of {', '.join(kinds)}")
        found: dict[str, Section | str] = {}
        for name, kind in kinds.items():
            value = told.get(name)
            if isinstance(kind, type) and issubclass(kind, Section):
                if not isinstance(value, dict):
                    raise ValueError(f"{where}{name} has to be a table, not {value!r}")  # noqa: TRY004 -- of the file
                found[name] = kind.read(value, f"{where}{name}.")
            elif isinstance(value, str) and value:
                found[name] = value
            else:
                raise ValueError(f"{where}{name} has to be a text, not {value!r}")
        return cls(**found)


@dataclass(frozen=True)
class App(Section):
    """One of the two services."""

    deployment: str
    service: str
    container: str


@dataclass(frozen=True)
class Secrets(Section):
    """The Secrets of the tokens by which app and sidecar know each other."""

    app_token: str
    api_token: str


@dataclass(frozen=True)
class Routes(Section):
    """Where the criteria ask; all but `invoke` are the agent's."""

    health: str
    ready: str
    query: str
    state: str
    publish: str
    events: str
    invoke: str


@dataclass(frozen=True)
class Toolbox(Section):
    """The run's own pod."""

    image: str


@dataclass(frozen=True)
class Names(Section):
    """Every name that may be another one elsewhere."""

    namespace: str
    dapr_namespace: str
    agent: App
    caller: App
    secrets: Secrets
    routes: Routes
    toolbox: Toolbox


def load(file: Path | None = None) -> Names:
    """The names as the shipped file has them, but for what another one says. Raises ValueError, or OSError."""
    told = tomllib.loads(FILE.read_text())
    if file:
        for name, value in tomllib.loads(file.read_text()).items():
            known = told.get(name)
            told[name] = known | value if isinstance(known, dict) and isinstance(value, dict) else value
    return Names.read(told)
