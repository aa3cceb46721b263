"""The parts of the agent are layers: none needs another that needs it."""

import ast
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest


def parts(source: str) -> Iterator[str]:
    """The packages and modules of `app` that a module needs."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module == "app":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app."):
            yield str(node.module).split(".")[1]


def needed(sources: Mapping[Path, str]) -> dict[str, set[str]]:
    """What each part needs of the others."""
    found: dict[str, set[str]] = {}
    for path, source in sources.items():
        part = path.parts[1].removesuffix(".py")
        found.setdefault(part, set()).update(other for other in parts(source) if other != part)
    return found


def test_no_part_needs_another_that_needs_it() -> None:
    sources = {path: path.read_text() for path in Path("app").rglob("*.py")}
    order = [*TopologicalSorter(needed(sources)).static_order()]
    assert order.index("event") < order.index("consume") < order.index("main")


def test_a_circle_is_found() -> None:
    sources = {
        Path("app/event/data.py"): "from app.health import monitor",
        Path("app/health/monitor.py"): "from app.event.data import Event",
    }
    with pytest.raises(CycleError, match="health"):
        TopologicalSorter(needed(sources)).prepare()
