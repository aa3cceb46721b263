"""The write-ahead journal: what has to be undone, on disk before it is done."""

import fcntl
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from acceptance.harness.errors import EnvironmentNotReadyError, UndoIncompleteError
from acceptance.harness.interruption import uninterrupted

Undo = Callable[..., None]
WIDTH = 200


def default_file(cluster_uid: str) -> Path:
    """Where the journal of a cluster lies; outside the checkout, so that any clone finds it."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(home) / "fastapi-dapr-agent" / f"journal-{cluster_uid}.jsonl"


class Journal:
    """Undo steps of one cluster; open in one run at a time.

    Every step is idempotent and named in `undo`, so that another run can take it too.
    """

    def __init__(self, file: Path, undo: dict[str, Undo]) -> None:
        self._path = file
        self._undo = undo
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise EnvironmentNotReadyError(f"another run holds {file}; let it end first") from error

    def promise(self, action: str, **arguments: Any) -> str:
        """Write down how to undo what comes next; the entry's id."""
        entry = {"id": uuid4().hex, "action": action, "arguments": arguments}
        self._append(entry)
        return str(entry["id"])

    def undo(self, entry_id: str) -> None:
        """Undo one entry and strike it out. Raises UndoIncompleteError naming the step that failed."""
        entry = self.open_entries()[entry_id]
        with uninterrupted():
            try:
                self._undo[entry["action"]](**entry["arguments"])
            except Exception as error:
                raise UndoIncompleteError(f"{_told(entry)}: {error}; noted in {self._path}") from error
            self._append({"id": entry_id, "done": True})

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
        entries: dict[str, dict[str, Any]] = {}
        for line in self._path.read_text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                # A run killed while it wrote leaves half a line; what it announced was not begun yet.
                continue
            if entry.get("done"):
                entries.pop(entry["id"], None)
            else:
                entries[entry["id"]] = entry
        return entries

    def close(self) -> None:
        """Let go; a journal with nothing open is emptied."""
        if self._file.closed:
            return
        if not self.open_entries():
            self._file.truncate(0)
        self._file.close()

    def _append(self, entry: dict[str, Any]) -> None:
        self._file.write("\n" + json.dumps(entry) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _told(entry: dict[str, Any]) -> str:
    # Arguments may be whole manifests.
    return f"{entry['action']} {entry['arguments']}"[:WIDTH]
