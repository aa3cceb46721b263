"""What may import what: the plugin knows no service, and its packages know only those below them."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HARNESS = ROOT / "acceptance/harness"
LAYERS = ("errors", "waiting", "kube", "probes", "watching", "faults", "suite", "plugin", "toolkit")
"""From the lowest up."""
MODULES = sorted(path.relative_to(ROOT) for path in HARNESS.rglob("*.py") if path.name != "__init__.py")


def imported(module: Path) -> list[str]:
    nodes = ast.walk(ast.parse((ROOT / module).read_text()))
    found = [node for node in nodes if isinstance(node, ast.ImportFrom | ast.Import)]
    froms = [f"{one.module}.{name.name}" for one in found if isinstance(one, ast.ImportFrom) for name in one.names]
    return froms + [name.name for one in found if isinstance(one, ast.Import) for name in one.names]


def layer(dotted: str) -> int:
    return LAYERS.index(dotted.split(".")[2])


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_module_of_the_plugin_imports_only_what_is_below_it(module: Path) -> None:
    ours = ("acceptance", "app", "base", "cluster", "images", "tests", "benchmarks")
    known = [name for name in imported(module) if name.split(".")[0] in ours]
    assert [name for name in known if not name.startswith("acceptance.harness.")] == []
    own = layer(".".join(module.with_suffix("").parts))
    assert [name for name in known if layer(name) > own] == []


def test_every_package_has_its_layer() -> None:
    assert {Path(module.parts[2]).stem for module in MODULES} == set(LAYERS)
