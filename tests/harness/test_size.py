"""The harness stays readable: a module for each noun, none of them long."""

from pathlib import Path

import pytest

import acceptance.harness

MODULES = sorted(Path(acceptance.harness.__file__).parent.glob("*.py"))
LINES = 150


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.stem)
def test_a_module_is_under_150_lines(module: Path) -> None:
    assert len(module.read_text().splitlines()) < LINES
