"""Steady traffic from inside the cluster, and what became of it."""

import json
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from acceptance.harness.errors import NotYetError
from acceptance.harness.probes.toolbox import Toolbox
from acceptance.harness.waiting import Waiting
from acceptance.harness.watching.ledger import INVOKED, Write, written
from acceptance.harness.watching.observers import following, require_beat
from acceptance.harness.watching.timeline import Seen, Timeline

WRITES = "writes"
CLIENTS = 16
LONGEST_S = 900
ANSWER_S = 10
SENT_WITHIN_S = 15
# A write is tried for about two minutes at most.
FINISH_S = 180


@dataclass(frozen=True)
class Stream:
    """Requests of one kind at a steady rate, over kept connections or a new one for each.

    With clients they are writes: events of keys that begin with `key`, one key for each client, for the ledger.
    """

    name: str
    url: str
    per_second: float
    method: str = "GET"
    json: dict[str, Any] | None = None
    keep: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    clients: int = 0
    key: str = ""


def writes(
    url: str,
    per_second: float,
    key: str,
    *,
    name: str = WRITES,
    clients: int = CLIENTS,
    keep: bool = False,
    headers: dict[str, str] | None = None,
) -> Stream:
    """Events of so many clients, each with a key of its own that begins with `key`, for the ledger of this name."""
    return Stream(name, url, per_second, "POST", keep=keep, headers=headers or {}, clients=clients, key=key)


@dataclass(frozen=True)
class Load:
    """Streams that are sent as long as the block lasts; what became of each request goes onto the timeline."""

    timeline: Timeline
    toolbox: Toolbox
    waiting: Waiting

    @contextmanager
    def sending(self, *streams: Stream) -> Iterator[None]:
        """Send until the block ends, which begins once something of each stream was told, and ends with the last.

        Raises EnvironmentNotReadyError when less than 80 % of a stream was sent.
        """
        wanted = {"streams": [asdict(one) for one in streams], "seconds": LONGEST_S, "timeout_s": ANSWER_S}
        since = time.monotonic()
        with following(self.timeline, self.toolbox, "load", wanted, FINISH_S):
            for one in streams:
                self.waiting.until(f"{one.name} to be sent", partial(self.timeline.first, one.name), SENT_WITHIN_S)
            yield
            until = time.monotonic()
        for one in streams:
            require_beat(self.timeline, one.name, one.per_second, since, until, INVOKED if one.clients else "")

    def answers(self, *names: str, since: float = 0.0, until: float = float("inf")) -> list[Seen]:
        """What became of the requests of some streams. Raises NotYetError when there was none."""
        found = [one for name in names for one in self.timeline.of(name, since, until)]
        if not found:
            raise NotYetError(f"no request of {', '.join(names)} yet")
        return found

    def acknowledged(self, name: str) -> set[str]:
        """Ids of the events that a stream of publishes had acknowledged."""
        answers = [one for one in self.answers(name) if one.state.startswith("200")]
        return {json.loads(one.detail)["id"] for one in answers}

    def ledger(self, name: str = WRITES) -> dict[str, Write]:
        """The ledger of a stream of writes, by id."""
        return written(self.timeline.of(name))


def failed(answers: list[Seen]) -> list[Seen]:
    """Requests that were not answered 200."""
    return [one for one in answers if not one.state.startswith("200")]


def unexplained(answers: list[Seen], away: Collection[str]) -> list[Seen]:
    """Answers that no client can act on: no 2xx, no 404, and no 503 that names one of these dependencies."""
    named = re.compile(rf'"detail": ?"({"|".join(away)}) is unavailable: ')
    return [
        one
        for one in answers
        if not one.state.startswith(("2", "404")) and not (one.state.startswith("503") and named.search(one.detail))
    ]


def described(answers: list[Seen]) -> str:
    """The first of some answers, for messages."""
    return "; ".join(f"{one.name}: {one.state} {one.detail}" for one in answers[:3]) or "none"
