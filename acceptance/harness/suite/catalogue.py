"""The criteria and scenarios as data, read from a criteria file."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

NAME = "criteria.toml"
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


@dataclass(frozen=True)
class Catalogue:
    """What a file holds: every entry by id, in the order in which they run, and what the system is called."""

    system: str
    """The `app.kubernetes.io/part-of` of what a fault may hit."""
    entries: dict[str, Entry]


def load(file: Path) -> Catalogue:
    """The catalogue of a file. Raises ValueError for an entry that is not well formed, or a system without a name."""
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
    if not document.get("system"):
        raise ValueError(f"{file.name}: `system` has to say what the system is called")
    return Catalogue(document["system"], entries)


def nearest(folders: list[Path], root: Path) -> Path | None:
    """The criteria file in one of some folders, or above it up to the root; None where there is none."""
    for folder in folders:
        for one in (folder, *folder.parents):
            if (one / NAME).is_file():
                return one / NAME
            if one == root:
                break
    return None


def proves(*entry_ids: str) -> pytest.MarkDecorator:
    """Mark a test as the proof of some entries: it runs once for each, as fixture `entry`, under the entry's id.

    Each is marked with its tier, for pytest's `-m`.
    """
    return pytest.mark.proves(*entry_ids)
