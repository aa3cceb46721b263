"""Cases in any number: each kind in turn, on a route by chance."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from random import Random

from acceptance.agent.inputs.request import Route
from acceptance.agent.inputs.wire import bodies, heads
from acceptance.agent.inputs.wire.case import Case, Cut, Parts, Script

Make = Callable[[Random, Parts], Script]
HEALTH = Script((Parts(b"GET", b"/health").whole,), (200,))


def _health(_: Random, __: Parts) -> Script:
    """What is asked between the others: whether it still answers, as it always does."""
    return HEALTH


MADE: dict[str, Make] = {
    "method": heads.method,
    "target": heads.target,
    "version": heads.version,
    "first": heads.first,
    "host": heads.host,
    "header": heads.line,
    "length": heads.length,
    "coding": heads.coding,
    "wish": heads.wish,
    "type": heads.kind,
    "text": bodies.text,
    "chunks": bodies.chunks,
    "size": bodies.size,
    "pipeline": bodies.pipeline,
    "mixed": bodies.mixed,
    "ends": bodies.ends,
    "edited": bodies.edited,
    "noise": bodies.noise,
}


def _any(chance: Random, good: Parts) -> Script:
    """A good request, or one of any kind."""
    return chance.choice((_good, _good, *MADE.values()))(chance, good)


def _good(_: Random, good: Parts) -> Script:
    return Script((good.whole,))


def _slow(chance: Random, good: Parts) -> Script:
    return bodies.slowly(chance, _any(chance, good))


def _slow_pipeline(chance: Random, good: Parts) -> Script:
    return bodies.slowly(chance, bodies.pipeline(chance, good))


def _unfinished(chance: Random, good: Parts) -> Script:
    return bodies.unfinished(chance, _any(chance, good))


def _cut(how: Cut, chance: Random, good: Parts) -> Script:
    return bodies.cut(chance, _any(chance, good), how)


KINDS: dict[str, Make] = {
    "health": _health,
    **MADE,
    "slow": _slow,
    "slow pipeline": _slow_pipeline,
    "dribble": bodies.dribble,
    "unfinished": _unfinished,
    **{f"cut: {how}": partial(_cut, how) for how in ("shut", "reset", "leave")},
}


def case(routes: Sequence[Route], seed: int, number: int, prefix: str = "") -> Case:
    """One case; the prefix stands before a target where somebody passes the request on, who answers for himself."""
    chance = Random(f"{seed}/{number}")  # noqa: S311 - to be repeated, not to be secret
    kind = list(KINDS)[number % len(KINDS)]
    good = Parts.of(chance.choice(routes).request(), prefix)
    script = KINDS[kind](chance, good)
    known = script.statuses if kind == "health" or not prefix else ()
    return Case(seed, number, kind, script._replace(statuses=known))


def cases(routes: Sequence[Route], seed: int, count: int, prefix: str = "") -> Iterator[Case]:
    """So many, the same for the same seed."""
    return (case(routes, seed, number, prefix) for number in range(count))
