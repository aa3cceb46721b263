"""One case: what is done with a connection, step by step, and what is known of its answers beforehand."""

import json
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from zlib import compress

Cut = Literal["shut", "reset", "leave"]
"""Nothing more is sent, or the connection is reset, or closed before an answer is read."""
Step = bytes | float | Cut
"""What is sent, or the seconds that pass, or how the connection is cut."""
SHOWN = 1500
PLACE = "$APP_API_TOKEN"
"""What stands for the app's token until it is sent, so that no part of it is ever shown."""


class Script(NamedTuple):
    """The steps, and the statuses of the first answers where they are known."""

    steps: tuple[Step, ...]
    statuses: tuple[int, ...] = ()


@dataclass(frozen=True)
class Case:
    """The same steps for the same seed and number, as long as the routes are the same."""

    seed: int
    number: int
    kind: str
    script: Script

    @property
    def is_cut(self) -> bool:
        """Whether the client goes before it was answered."""
        return any(isinstance(step, str) for step in self.script.steps)

    @property
    def sent(self) -> bytes:
        """All that is sent, if nobody closes the connection meanwhile."""
        return b"".join(step for step in self.script.steps if isinstance(step, bytes))

    @property
    def told(self) -> str:
        """Kind, number and steps, with the bytes escaped."""
        lines = [f"{self.kind}, case {self.seed}/{self.number}:", *(_told(step) for step in self.script.steps)]
        return "\n  ".join(lines)


def packed(cases: Iterable[Case], token: str = "") -> list[list[Any]]:
    """The steps as `in_cluster/wire.py` takes them, with the app's token in its place."""
    return [[_packed(step, token) for step in case.script.steps] for case in cases]


def as_lines(cases: Iterable[Case], token: str = "") -> str:
    """The same as JSON, a line for each case."""
    return "".join(json.dumps(steps) + "\n" for steps in packed(cases, token))


def _packed(step: Step, token: str) -> list[Any]:
    if isinstance(step, bytes):
        return ["send", b64encode(compress(step.replace(PLACE.encode(), token.encode()))).decode()]
    return [step] if isinstance(step, str) else ["pause", step]


def _told(step: Step) -> str:
    if isinstance(step, bytes):
        rest = f"... {len(step)} bytes" if len(step) > SHOWN else ""
        return f"send {step[:SHOWN]!r}{rest}"
    return step if isinstance(step, str) else f"pause {step:.3f} s"
