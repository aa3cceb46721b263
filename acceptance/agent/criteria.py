"""The criteria and scenarios of this system."""

from pathlib import Path

from acceptance.harness.suite.catalogue import NAME, load

FILE = Path(__file__).parents[1] / NAME
CATALOGUE = load(FILE)
ENTRIES = CATALOGUE.entries
