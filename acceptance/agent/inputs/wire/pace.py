"""When it is sent: in pieces, slower than anybody waits, or not to its end."""

from dataclasses import replace
from random import Random

from acceptance.agent.inputs.wire.case import Cut, Script, Step
from acceptance.agent.inputs.wire.parts import Parts, split

PIECES = 12
LONGEST_PAUSE_S = 0.03
DRIBBLES = 20
DRIBBLE_S = (0.2, 0.45)
"""So many times this is longer than a head or a body may take."""


def slowly(chance: Random, script: Script) -> Script:
    """The same in pieces, with a pause behind each."""
    steps: list[Step] = []
    for piece in split(chance, _sent(script), PIECES):
        steps += [piece, chance.uniform(0, LONGEST_PAUSE_S)]
    return Script(tuple(steps), script.statuses)


def dribble(chance: Random, good: Parts) -> Script:
    """A head or a body that goes on, a little at a time, for longer than anybody waits."""
    body = good.body + b" " * 1000
    if chance.random() < 0.5:
        first, rest = replace(good, lines=(*good.lines, b"X-Slow: ")).head.removesuffix(b"\r\n\r\n"), b"x" * 1000
    elif chance.random() < 0.5:
        first, rest = good.sized(body).head, body
    else:
        first, rest = good.chunked(b"").head, b"1\r\n \r\n" * 200
    steps: list[Step] = [first]
    for _ in range(DRIBBLES):
        piece, rest = rest[: (count := chance.randint(1, 20))], rest[count:]
        steps += [chance.uniform(*DRIBBLE_S), piece]
    return Script(tuple(steps))


def unfinished(chance: Random, script: Script) -> Script:
    """The same, not to its end, and nothing more comes."""
    whole = _sent(script)
    return Script((whole[: chance.randint(1, max(1, len(whole) - 1))],))


def cut(chance: Random, script: Script, how: Cut) -> Script:
    """The same, whole or not to its end, at once or after a moment, and then the client goes."""
    whole = _sent(script)
    sent = whole if chance.random() < 0.4 else whole[: chance.randrange(len(whole) + 1)]
    pieces = split(chance, sent, 3)
    pause = (chance.choice((0.0, 0.001, LONGEST_PAUSE_S)),)
    return Script((*pieces, *pause, how))


def _sent(script: Script) -> bytes:
    return b"".join(step for step in script.steps if isinstance(step, bytes))
