"""The rule by which the database refuses events in ways that no check sees."""

from app.health.outcomes import Outcomes


def refused(*seconds: int) -> Outcomes:
    outcomes = Outcomes(patience_seconds=5)
    for now in seconds:
        outcomes.refused("no space left on device", now)
    return outcomes


def test_refusals_that_go_on_are_told_with_the_last_reason() -> None:
    assert refused(*range(10, 16)).complaints(15) == ["no event could be applied for 5 s: no space left on device"]


def test_a_few_attempts_of_one_event_are_nothing() -> None:
    assert refused(10, 11, 12).complaints(30) == []


def test_an_event_that_is_applied_ends_it() -> None:
    outcomes = refused(*range(10, 20))
    outcomes.applied()
    assert outcomes.complaints(20) == []
    outcomes.refused("again", 21)
    assert outcomes.complaints(21) == []


def test_refusals_that_nobody_repeats_are_forgotten() -> None:
    outcomes = refused(*range(10, 20))
    assert outcomes.complaints(29) != []
    assert outcomes.complaints(30) == []
    outcomes.refused("much later", 500)
    assert outcomes.complaints(500) == []
