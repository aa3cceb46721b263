"""The write-ahead journal: what has to be undone, kept in the cluster before it is done, whoever interrupts."""

import json
import signal
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

from acceptance.harness.errors import UndoIncompleteError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
"""The last is pytest-timeout's."""


def terminate_like_interrupt() -> None:
    """Let SIGTERM end a run the way Ctrl-C does: everything is undone."""
    signal.signal(signal.SIGTERM, _interrupt)


@contextmanager
def uninterrupted(terminate: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold signals back until the block is over, then let them act; of SIGTERM `terminate` is told at once."""
    if current_thread() is not main_thread():
        yield
        return
    came: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        came.append(number)
        if number == signal.SIGTERM:
            terminate()

    before = {number: signal.signal(number, hold) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    # Not when the block failed: that an undo is incomplete matters more than that somebody interrupted it.
    for one in came:
        # To whoever was there before: another block like this one, or what ends the run.
        signal.raise_signal(one)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


Undo = Callable[..., None]
WIDTH = 200


class Journal:
    """Undo steps of one cluster, kept where the next run finds them, wherever it runs.

    Every step is idempotent and named in `undo`, so that another run can take it too. `require` raises when this run
    may do nothing more.
    """

    def __init__(
        self, kept: MutableMapping[str, str], undo: dict[str, Undo], require: Callable[[], None] = lambda: None
    ) -> None:
        self._kept = kept
        self._undo = undo
        self._require = require

    def promise(self, action: str, **arguments: Any) -> str:
        """Write down how to undo what comes next; the entry's id."""
        self._require()
        entry_id = f"{max(map(int, self._kept), default=0) + 1:06}"
        self._kept[entry_id] = json.dumps({"action": action, "arguments": arguments})
        return entry_id

    def undo(self, entry_id: str) -> None:
        """Undo one entry and strike it out, unless that was done. Raises UndoIncompleteError naming what failed."""
        with uninterrupted():
            entry = self.open_entries().get(entry_id)
            if entry is None:
                return
            try:
                self._undo[entry["action"]](**entry["arguments"])
                del self._kept[entry_id]
            except Exception as error:
                raise UndoIncompleteError(f"{_told(entry)}: {error}; noted in {self._kept}") from error

    def strike(self, entry_id: str) -> None:
        """Forget what was promised: it is to stay."""
        del self._kept[entry_id]

    @contextmanager
    def promised(self, action: str, **arguments: Any) -> Iterator[None]:
        """Write down how to undo what a block does, and undo it after the block in any case."""
        entry = self.promise(action, **arguments)
        try:
            yield
        finally:
            self.undo(entry)

    def undo_all(self) -> list[str]:
        """Undo what is still open, newest first, each even if another fails; what was undone.

        Raises UndoIncompleteError naming every step that failed.
        """
        done, failed = [], []
        with uninterrupted():
            for entry_id, entry in reversed(self.open_entries().items()):
                try:
                    self.undo(entry_id)
                    done.append(_told(entry))
                except UndoIncompleteError as error:
                    failed.append(str(error))
        if failed:
            raise UndoIncompleteError("; ".join(failed))
        return done

    def open_entries(self) -> dict[str, dict[str, Any]]:
        """Entries that were promised and not struck out, oldest first."""
        return {entry_id: json.loads(text) for entry_id, text in sorted(self._kept.items())}


def _told(entry: dict[str, Any]) -> str:
    # Arguments may be whole manifests.
    return f"{entry['action']} {entry['arguments']}"[:WIDTH]
