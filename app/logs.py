"""One JSON object per log line, on stdout."""

import asyncio
import json
import logging
import sys
from datetime import UTC, datetime
from itertools import islice

_MADE = len(vars(logging.makeLogRecord({})))
"""So many attributes has a record from the beginning; what comes after them was given as `extra`, or by a formatter."""
_NOT_GIVEN = {"message", "asctime", "color_message"}
_ENCODER = json.JSONEncoder(default=str)


class JsonFormatter(logging.Formatter):
    """Time, level, logger and message, then whatever was given as `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **{name: value for name, value in islice(vars(record).items(), _MADE, None) if name not in _NOT_GIVEN},
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _ENCODER.encode(line)


class TurnHandler(logging.StreamHandler):  # type: ignore[type-arg]  # at run time it takes none
    """Writes all lines of one turn of the event loop at once: to write is dear, and a batch of events has many."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self._lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, where there is a loop when its turn ends."""
        try:
            self._lines.append(self.format(record) + self.terminator)
        except Exception:  # noqa: BLE001 - as logging's own
            self.handleError(record)
            return
        if len(self._lines) > 1:
            return
        try:
            asyncio.get_running_loop().call_soon(self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Write what there is."""
        with self.lock:  # type: ignore[union-attr]  # it has one until it is closed
            lines, self._lines = self._lines, []
            if lines:
                self.stream.write("".join(lines))
            super().flush()


def configure() -> None:
    """Send every logger to stdout as JSON, from level INFO."""
    # what no line says need not be found out for each
    for name in ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks"):
        setattr(logging, name, False)
    vars(logging)["_srcfile"] = None  # nor where it was logged (Python's logging HOWTO, Optimization)
    handler = TurnHandler()
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # a broker that is away is reported once, by its check, not at every attempt
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
