"""The ledger: one record per write, held against what PostgreSQL has of it."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

from acceptance.harness.watching.timeline import Seen

INVOKED, ACKNOWLEDGED, FAILED, UNKNOWN = "invoked", "acknowledged", "failed", "unknown"
REFUSED_CONNECTION = "ClientConnectorError"
SERVER_ERROR = re.compile(r"5(?!03)\d\d")
Totals = Mapping[str, tuple[int, Decimal]]


@dataclass(frozen=True)
class Write:
    """One event of one client: when it was invoked, and what the client came to know. Times in monotonic seconds."""

    id: str
    client: int
    key: str
    sequence: int
    invoked: float
    outcome: str = UNKNOWN
    ended: float = math.inf
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Effect:
    """One row of the table `effects`; its amount is the sequence of the write."""

    id: str
    key: str
    amount: Decimal
    at: float


@dataclass(frozen=True)
class Balance:
    """What became of the writes, in counts; the longest time between two effects in seconds."""

    sent: int
    acknowledged: int
    unknown: int
    applied: int
    longest_gap_s: float
    failed: int
    lost: int
    applied_twice: int
    applied_though_refused: int
    invented: int
    wrong_totals: int
    out_of_order: int
    server_errors: int
    named: Mapping[str, list[str]]
    """The ids that a count counts, of `wrong_totals` the keys, by the count's name."""


def written(seen: Iterable[Seen]) -> dict[str, Write]:
    """The ledger by id, from what the load told; a write without an end stays unknown."""
    ledger: dict[str, Write] = {}
    for one in seen:
        told = json.loads(one.detail)
        if one.state == INVOKED:
            ledger[told["id"]] = Write(**told, invoked=one.at)
        else:
            begun = ledger[told["id"]]
            ledger[begun.id] = replace(begun, outcome=one.state, ended=one.at, answers=tuple(told["answers"]))
    return ledger


def compare(ledger: Mapping[str, Write], effects: Sequence[Effect], totals: Totals) -> Balance:
    """Hold the ledger against effects, in the order of their numbers, and totals of the ledger's keys."""
    outcomes = Counter(one.outcome for one in ledger.values())
    times = Counter(one.id for one in effects)
    sent = {(one.id, one.key, Decimal(one.sequence)) for one in ledger.values()}
    named = {
        "failed": [one.id for one in ledger.values() if one.outcome == FAILED],
        "lost": [one.id for one in ledger.values() if one.outcome == ACKNOWLEDGED and one.id not in times],
        "applied_twice": [one for one, number in times.items() if one in ledger for _ in range(number - 1)],
        "applied_though_refused": [one.id for one in ledger.values() if one.outcome == FAILED and one.id in times],
        "invented": [one.id for one in effects if (one.id, one.key, one.amount) not in sent],
        "wrong_totals": _wrong_totals(effects, totals),
        "out_of_order": _out_of_order(ledger, effects),
        "server_errors": [one.id for one in ledger.values() if any(map(SERVER_ERROR.match, one.answers))],
    }
    return Balance(
        sent=len(ledger),
        acknowledged=outcomes[ACKNOWLEDGED],
        unknown=outcomes[UNKNOWN],
        applied=len(ledger.keys() & times.keys()),
        longest_gap_s=longest_gap_s(effects),
        named=named,
        **{name: len(found) for name, found in named.items()},
    )


def longest_gap_s(effects: Sequence[Effect]) -> float:
    """The longest time between two effects that follow each other."""
    moments = sorted(one.at for one in effects)
    return max((later - sooner for sooner, later in pairwise(moments)), default=0.0)


def in_flight(ledger: Mapping[str, Write], effects: Sequence[Effect], killed: float) -> int:
    """How many writes were on their way when the agent was killed: begun while it took connections, not applied yet."""
    refused = [
        one.invoked for one in ledger.values() if one.invoked >= killed and one.answers[:1] == (REFUSED_CONNECTION,)
    ]
    gone = min(refused, default=-math.inf)
    applied = {one.id for one in effects if one.at <= gone}
    return sum(one.invoked < gone and one.id not in applied for one in ledger.values())


def _wrong_totals(effects: Sequence[Effect], totals: Totals) -> list[str]:
    """Keys whose total is not the sum of their effects."""
    sums: dict[str, tuple[int, Decimal]] = {}
    for one in effects:
        number, amount = sums.get(one.key, (0, Decimal(0)))
        sums[one.key] = (number + 1, amount + one.amount)
    return [key for key in sorted(sums.keys() | totals.keys()) if sums.get(key) != totals.get(key)]


def _out_of_order(ledger: Mapping[str, Write], effects: Sequence[Effect]) -> list[str]:
    """Writes that were acknowledged before one of the same key was invoked that took effect before them."""
    latest: dict[str, float] = {}
    found = []
    for event_id in dict.fromkeys(one.id for one in effects if one.id in ledger):
        write = ledger[event_id]
        before = latest.get(write.key, -math.inf)
        if write.outcome == ACKNOWLEDGED and write.ended < before:
            found.append(event_id)
        latest[write.key] = max(before, write.invoked)
    return found
