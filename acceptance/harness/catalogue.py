"""The criteria and scenarios as data, read from criteria.toml."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "criteria.toml"
TIERS = ("default", "faults", "endurance")


@dataclass(frozen=True)
class Entry:
    """One criterion or scenario: its id, what it checks, and its bounds (each in the unit its name ends with)."""

    id: str
    title: str
    checks: str
    kind: str
    tier: str = "default"
    bounds: dict[str, float] = field(default_factory=dict)
    fault: str = ""
    target: str = ""
    lasts_s: float = 0.0
    times: int = 1
    minutes: float = 0.05


def load(file: Path = FILE) -> dict[str, Entry]:
    """Every entry by id, in the order in which they run. Raises ValueError for an entry that is not well formed."""
    document = tomllib.loads(file.read_text())
    entries: dict[str, Entry] = {}
    for kind in ("criterion", "scenario"):
        for raw in document.get(kind, []):
            try:
                entry = Entry(kind=kind, **raw)
            except TypeError as error:
                raise ValueError(f"{file.name}: {kind} {raw.get('id', '?')}: {error}") from error
            if entry.id in entries or entry.tier not in TIERS:
                raise ValueError(f"{file.name}: {entry.id}: its id is taken, or its tier is none of {TIERS}")
            entries[entry.id] = entry
    return entries


ENTRIES = load()


def proves(*entry_ids: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of some entries: it runs once for each, as fixture `entry`, under the entry's id.

    Each is marked with its tier, for pytest's `-m`.
    """
    entries = [ENTRIES[entry_id] for entry_id in entry_ids]
    return pytest.mark.parametrize(
        "entry", [pytest.param(one, id=one.id, marks=getattr(pytest.mark, one.tier)) for one in entries]
    )
