"""The rule by which the sidecar is restarted."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from app.sidecar.recovery import Recovery, missing_from

BACKENDS = {"pubsub", "database"}
SUBSCRIPTIONS = {"subscription agent-events": BACKENDS, "subscription agent-events-dead-letters": BACKENDS}
PUBSUB = {"component kafka-pubsub": {"pubsub"}} | SUBSCRIPTIONS
STATESTORE = {"component postgres-statestore": {"database"}}
BOTH = PUBSUB | STATESTORE
NONE: set[str] = set()


def recovery() -> Recovery:
    return Recovery(grace_seconds=3, interval_seconds=600)


def restarts(
    rule: Recovery, missing: Mapping[str, AbstractSet[str]] | None, away: set[str], *seconds: int
) -> list[int]:
    return [now for now in range(*seconds) if rule.is_due(missing, away, now)]


def test_nothing_missing_is_left_alone() -> None:
    assert restarts(recovery(), {}, NONE, 1000) == []


def test_a_sidecar_that_does_not_answer_is_left_alone() -> None:
    assert restarts(recovery(), None, NONE, 1000) == []


def test_what_is_missing_is_left_alone_while_its_backend_is_away() -> None:
    assert restarts(recovery(), BOTH, BACKENDS, 1000) == []


def test_a_restart_is_due_once_the_backend_is_back_for_the_grace_period() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 100)
    assert restarts(rule, PUBSUB, NONE, 100, 110) == [103]


def test_a_backend_that_went_away_while_the_sidecar_did_not_answer_counts_too() -> None:
    rule = recovery()
    restarts(rule, None, {"pubsub"}, 10)
    assert restarts(rule, PUBSUB, NONE, 10, 20) == [13]


def test_another_backend_that_was_away_does_not_count() -> None:
    rule = recovery()
    component = {"component kafka-pubsub": {"pubsub"}}
    restarts(rule, component, {"database"}, 10)
    assert restarts(rule, component, NONE, 10, 100) == []


def test_the_grace_period_starts_anew_when_the_sidecar_did_not_answer_in_between() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 1)
    restarts(rule, PUBSUB, NONE, 1, 3)
    rule.is_due(None, NONE, 3)
    assert restarts(rule, PUBSUB, NONE, 4, 10) == [7]


def test_the_grace_period_starts_anew_when_the_backend_went_away_in_between() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 1)
    restarts(rule, PUBSUB, NONE, 1, 3)
    rule.is_due(PUBSUB, {"pubsub"}, 3)
    assert restarts(rule, PUBSUB, NONE, 4, 10) == [7]


def test_an_outage_from_before_the_sidecar_had_everything_is_forgotten() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 1)
    rule.is_due({}, NONE, 1)
    assert restarts(rule, PUBSUB, NONE, 2, 100) == []


def test_what_is_missing_for_good_is_given_up() -> None:
    rule = recovery()
    assert restarts(rule, STATESTORE, NONE, 100_000) == [600]
    assert rule.is_in_vain(STATESTORE)
    assert not rule.is_in_vain(SUBSCRIPTIONS)


def test_what_else_is_missing_while_the_sidecar_starts_anew_gives_no_hope() -> None:
    rule = recovery()
    restarts(rule, STATESTORE, NONE, 601)
    restarts(rule, None, NONE, 601, 605)
    restarts(rule, BOTH, NONE, 605, 610)
    assert restarts(rule, STATESTORE, NONE, 610, 100_000) == []


def test_what_was_given_up_gets_a_restart_once_its_backend_was_away() -> None:
    rule = recovery()
    restarts(rule, STATESTORE, NONE, 10_000)
    restarts(rule, STATESTORE, {"database"}, 10_000, 10_010)
    assert restarts(rule, STATESTORE, NONE, 10_010, 10_100) == [10_013]


def test_what_was_loaded_meanwhile_is_not_given_up() -> None:
    rule = recovery()
    restarts(rule, STATESTORE, NONE, 10_000)
    rule.is_due({}, NONE, 10_000)
    assert not rule.is_in_vain(STATESTORE)
    assert restarts(rule, STATESTORE, NONE, 10_001, 11_000) == [10_601]


def test_a_sidecar_that_is_away_while_it_restarts_gets_no_second_restart() -> None:
    rule = recovery()
    restarts(rule, STATESTORE, {"database"}, 1)
    assert restarts(rule, STATESTORE, NONE, 1, 6) == [4]
    rule.is_due(None, NONE, 6)
    assert restarts(rule, STATESTORE, NONE, 7, 100_000) == [607]


def test_a_backend_that_went_away_and_came_back_gets_a_restart_of_its_own() -> None:
    rule = recovery()
    for begins in (0, 50):
        restarts(rule, STATESTORE, {"database"}, begins, begins + 10)
        assert restarts(rule, STATESTORE, NONE, begins + 10, begins + 20) == [begins + 13]


def test_backends_that_come_back_one_after_the_other_get_one_restart_together() -> None:
    rule = recovery()
    restarts(rule, BOTH, BACKENDS, 5)
    assert restarts(rule, BOTH, {"database"}, 5, 30) == []
    assert restarts(rule, BOTH, NONE, 30, 40) == [33]


def test_a_sidecar_that_waits_for_the_database_to_subscribe_is_left_alone_however_long() -> None:
    assert restarts(recovery(), SUBSCRIPTIONS, {"database"}, 100_000) == []


def test_a_sidecar_that_lacks_subscriptions_alone_is_given_time_to_see_that_the_database_is_back() -> None:
    rule = recovery()
    restarts(rule, SUBSCRIPTIONS, {"database"}, 100)
    assert restarts(rule, SUBSCRIPTIONS, NONE, 100, 120) == [115]


def test_missing_things_are_read_from_the_metadata() -> None:
    loaded = {
        "components": [{"name": "kafka-pubsub"}, {"name": "postgres-statestore"}],
        "subscriptions": [
            {"pubsubname": "kafka-pubsub", "topic": "agent-events"},
            {"pubsubname": "kafka-pubsub", "topic": "agent-events-dead-letters"},
        ],
    }
    assert missing_from(loaded) == {}
    assert missing_from({}) == BOTH
    assert missing_from(loaded | {"components": [{"name": "kafka-pubsub"}]}) == STATESTORE
    elsewhere = [{"pubsubname": "other", "topic": "agent-events"}]
    assert missing_from(loaded | {"subscriptions": elsewhere}) == SUBSCRIPTIONS
