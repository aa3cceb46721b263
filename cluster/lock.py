"""One command at a time: two that make the same thing would take it from each other."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from cluster.console import SurroundingsError
from cluster.paths import STATE


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Hold the lock of this name; it ends with the process, however that ends. Raises SurroundingsError if taken."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SurroundingsError(f"another command is at work on the {name}; wait for it to end") from None
        yield
