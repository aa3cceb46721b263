"""The commands behind make: from nothing to a running agent, and back. Standard library only: .venv comes later."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # an older Python is just what this line is for
    sys.stderr.write("error: Python 3.11 or newer is needed: make PYTHON=python3.11 ...\n")
    sys.exit(10)
