"""Counts what is posted; the number is kept in a file, and so outlives the process."""

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock

FILE, LOCK = Path(os.environ["COUNTED"]), Lock()
BY = int(os.environ.get("BY", "1"))


def counted() -> int:
    """The number so far."""
    return int(FILE.read_text()) if FILE.exists() else 0


def count() -> int:
    """Add to the number; what it is then."""
    with LOCK:
        number = counted() + BY
        new = FILE.with_suffix(".new")
        new.write_text(str(number))
        new.rename(FILE)
        return number


def health() -> str:
    """Say that somebody is there."""
    return "healthy"


ANSWERS: dict[tuple[str, str], Callable[[], object]] = {
    ("GET", "/count"): counted,
    ("POST", "/count"): count,
    ("GET", "/health"): health,
}


class Counter(BaseHTTPRequestHandler):
    """GET /count tells the number, POST /count adds to it, GET /health says that somebody is there."""

    def answer(self) -> None:
        """Answer what is known, and 404 to all else."""
        known = ANSWERS.get((self.command, self.path))
        content = str(known() if known else "").encode()
        self.send_response(200 if known else 404)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815 -- as http.server calls them


if __name__ == "__main__":
    ThreadingHTTPServer(("", 8000), Counter).serve_forever()
