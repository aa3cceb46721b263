"""The kubectl context that was current before, given back by `make down`."""

from cluster.console import ask
from cluster.paths import STATE

FORMER = STATE / "former-context"
OURS = ("kind-fastapi-dapr-agent", "fastapi-dapr-agent")


def remember() -> None:
    """Note the current context, unless it is our own."""
    current = ask(["kubectl", "config", "current-context"]) or ""
    if current not in OURS:
        FORMER.parent.mkdir(parents=True, exist_ok=True)
        FORMER.write_text(current)


def restore() -> None:
    """Make the former context the current one again, if it still exists."""
    if FORMER.exists() and (former := FORMER.read_text()):
        ask(["kubectl", "config", "use-context", former])
    FORMER.unlink(missing_ok=True)
