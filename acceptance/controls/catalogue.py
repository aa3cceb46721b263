"""The controls as data, read from controls.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acceptance.agent.criteria import ENTRIES

LISTS = {"runs", "breaks", "touches", "empties"}
FILE = Path(__file__).parents[1] / "controls.toml"


@dataclass(frozen=True)
class Control:
    """One broken system: how it is broken, what it turns red, and what the first red entry has to name."""

    id: str
    runs: tuple[str, ...]
    red: frozenset[str]
    cause: str
    breaks: tuple[tuple[str, ...], ...] = ()
    touches: tuple[tuple[str, str], ...] = ()
    wraps: str = ""
    empties: tuple[str, ...] = ()
    quick: bool = False

    @property
    def first_red(self) -> str:
        """The entry that turns red first, in the order in which they run."""
        return next(entry_id for entry_id in ENTRIES if entry_id in self.red)


def load(file: Path = FILE) -> dict[str, Control]:
    """Every control by id. Raises ValueError for one without a cause, or that names an entry that does not exist."""
    controls = {}
    for raw in tomllib.loads(file.read_text())["control"]:
        if not raw.get("cause"):
            raise ValueError(f"{file.name}: {raw['id']}: no cause, and no cause is in everything")
        lists = {key: _frozen(raw[key]) for key in LISTS & raw.keys()}
        control = Control(**{**raw, **lists, "red": frozenset(raw["red"])})
        if unknown := control.red - ENTRIES.keys():
            raise ValueError(f"{file.name}: {control.id}: no such criterion or scenario: {', '.join(sorted(unknown))}")
        controls[control.id] = control
    return controls


def _frozen(values: list[Any]) -> tuple[Any, ...]:
    return tuple(tuple(one) if isinstance(one, list) else one for one in values)
