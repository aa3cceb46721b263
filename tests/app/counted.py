"""How many rows statements were given, of a function that makes them."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

from app.database.postgres import Database


def counted(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str) -> list[int]:
    """The sizes of what a module's function is given from now on, call by call."""
    sizes: list[int] = []
    inner = getattr(module, name)

    async def call(database: Database, given: Sequence[Any]) -> Sequence[Any]:
        sizes.append(len(given))
        rows: Sequence[Any] = await inner(database, given)
        return rows

    monkeypatch.setattr(module, name, call)
    return sizes
