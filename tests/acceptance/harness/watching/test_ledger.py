"""The ledger finds what a system loses, repeats, invents, applies though it refused, adds up wrongly or reorders."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal

import pytest

from acceptance.harness.watching.ledger import Effect, Write, compare, in_flight, written
from acceptance.harness.watching.timeline import Seen

COUNTS = (
    "failed", "lost", "applied_twice", "applied_though_refused", "invented", "wrong_totals", "out_of_order",
    "server_errors",
)  # fmt: skip
Effects = list[Effect]


def write(client: int, sequence: int, outcome: str = "acknowledged") -> Write:
    """A write that is over before the next sequence begins."""
    key = f"key-{client}"
    return Write(f"{key}-{sequence}", client, key, sequence, sequence, outcome, sequence + 0.5)


def effect(one: Write) -> Effect:
    """What a good system makes of a write."""
    return Effect(one.id, one.key, Decimal(one.sequence), one.sequence + 0.1)


LEDGER = {one.id: one for sequence in range(10) for client in range(2) for one in [write(client, sequence)]}
GOOD = [effect(one) for one in LEDGER.values()]


def totals_of(effects: Effects) -> dict[str, tuple[int, Decimal]]:
    """Totals that agree with the effects."""
    keys = {one.key for one in effects}
    amounts = {key: [one.amount for one in effects if one.key == key] for key in keys}
    return {key: (len(amounts[key]), sum(amounts[key], Decimal())) for key in keys}


def test_a_good_system_balances() -> None:
    balance = asdict(compare(LEDGER, GOOD, totals_of(GOOD)))
    assert {name: balance[name] for name in COUNTS} == dict.fromkeys(COUNTS, 0)
    assert (balance["sent"], balance["acknowledged"], balance["applied"], balance["unknown"]) == (20, 20, 20, 0)
    assert balance["longest_gap_s"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("system", "found"),
    [
        (lambda good: good[:-3], {"lost": 3}),
        (lambda good: [*good, good[4], good[4], good[7]], {"applied_twice": 3}),
        (lambda good: [*good, Effect("never-sent", "key-0", Decimal(3), 5.0)], {"invented": 1}),
        (lambda good: [replace(good[0], amount=Decimal("0.5")), *good[1:]], {"invented": 1}),
        (lambda good: [replace(good[0], key="key-1"), *good[1:]], {"invented": 1}),
        (lambda good: [*good[2:4], *good[:2], *good[4:]], {"out_of_order": 2}),
        (lambda good: [*good[1:], good[0], good[0]], {"applied_twice": 1, "out_of_order": 1}),
    ],
    ids=["loses", "repeats", "invents", "changes an amount", "changes a key", "reorders", "repeats what it reorders"],
)
def test_each_bad_system_is_found_out(system: Callable[[Effects], Effects], found: dict[str, int]) -> None:
    effects = system(GOOD)
    balance = asdict(compare(LEDGER, effects, totals_of(effects)))
    assert {name: balance[name] for name in COUNTS if balance[name]} == found
    assert {name: len(ids) for name, ids in balance["named"].items() if ids} == found


@pytest.mark.parametrize(
    "totals",
    [{}, {"key-0": (10, Decimal(45))}, {"key-0": (10, Decimal(45)), "key-1": (11, Decimal(45))}],
    ids=["none", "one missing", "one counted twice"],
)
def test_totals_that_are_not_the_sum_of_the_effects_are_found(totals: dict[str, tuple[int, Decimal]]) -> None:
    assert compare(LEDGER, GOOD, totals).wrong_totals == 2 - (totals.get("key-0") is not None)


def test_a_server_error_is_none_the_less_for_an_attempt_behind_it_that_succeeds() -> None:
    answers = {"key-0-1": ("500", "200"), "key-0-2": ("503", "503 closing", "200"), "key-0-3": ("502 closing", "200")}
    answers |= {"key-0-4": ("not the agent: 502", "200"), "key-0-5": ("ServerDisconnectedError", "200")}
    ledger = {**LEDGER, **{one: replace(LEDGER[one], answers=told) for one, told in answers.items()}}
    assert compare(ledger, GOOD, totals_of(GOOD)).named["server_errors"] == ["key-0-1", "key-0-3"]


def test_what_was_refused_must_not_be_applied() -> None:
    refused = {**LEDGER, "key-0-3": write(0, 3, "failed")}
    balance = compare(refused, GOOD, totals_of(GOOD))
    assert (balance.failed, balance.applied_though_refused, balance.lost) == (1, 1, 0)


@pytest.mark.parametrize("effects", [GOOD, GOOD[2:]], ids=["applied", "not applied"])
def test_what_is_unknown_may_be_applied_or_not_and_whenever(effects: Effects) -> None:
    unknown = {**LEDGER, **{one: replace(LEDGER[one], outcome="unknown") for one in ("key-0-0", "key-1-0")}}
    late = [*effects[2:], *effects[:2]] if len(effects) == len(GOOD) else effects
    balance = asdict(compare(unknown, late, totals_of(late)))
    assert [name for name in COUNTS if balance[name]] == []
    assert balance["unknown"] == 2


def test_writes_at_the_same_time_may_take_effect_in_any_order() -> None:
    ledger = {one.id: replace(one, ended=100.0) for one in LEDGER.values()}
    assert compare(ledger, GOOD[::-1], totals_of(GOOD)).out_of_order == 0


def test_the_ledger_is_read_from_what_the_load_told() -> None:
    told = {"client": 1, "key": "key-1"}
    invoked = [{"id": f"key-1-{number}", **told, "sequence": number} for number in range(2)]
    over = {"id": "key-1-0", "answers": ["503", "200"]}
    seen = [Seen(number, "writes", "invoked", detail=json.dumps(one)) for number, one in enumerate(invoked)]
    ledger = written([*seen, Seen(9, "writes", "acknowledged", 9000, json.dumps(over))])
    assert ledger["key-1-0"] == Write("key-1-0", 1, "key-1", 0, 0, "acknowledged", 9, ("503", "200"))
    assert (ledger["key-1-1"].outcome, ledger["key-1-1"].answers) == ("unknown", ())


def test_what_was_on_its_way_when_the_agent_was_killed_is_counted() -> None:
    """Killed at 5.2: the write of second 6 is the first that is refused a connection."""
    one_client = {one.id: one for one in LEDGER.values() if one.client == 0}
    refused = {"key-0-6": replace(one_client["key-0-6"], answers=("ClientConnectorError", "200"))}
    in_time = [replace(one, at=one.at + 3 * (one.at > 6)) for one in GOOD if one.key == "key-0"]
    late = [replace(one, at=9.0) if one.id in {"key-0-4", "key-0-5"} else one for one in in_time]
    ledger = {**one_client, **refused}
    assert in_flight(ledger, in_time, 5.2) == 0
    assert in_flight(ledger, late, 5.2) == 2
    assert in_flight(one_client, late, 5.2) == 0
