"""The rule by which the sidecar is restarted."""

from collections.abc import Mapping

from app.health import missing_from
from app.recovery import Recovery

SUBSCRIPTIONS = {"subscription agent-events": "pubsub", "subscription agent-events-dead-letters": "pubsub"}
PUBSUB = {"component kafka-pubsub": "pubsub"} | SUBSCRIPTIONS
STATESTORE = {"component postgres-statestore": "database"}
BOTH = PUBSUB | STATESTORE
BACKENDS = {"pubsub", "database"}


def recovery() -> Recovery:
    return Recovery(grace_seconds=3, interval_seconds=600)


def restarts(rule: Recovery, missing: Mapping[str, str] | None, available: set[str], *seconds: int) -> list[int]:
    return [now for now in range(*seconds) if rule.is_due(missing, available, now)]


def test_nothing_missing_is_left_alone() -> None:
    assert restarts(recovery(), {}, BACKENDS, 100) == []


def test_a_sidecar_that_does_not_answer_is_left_alone() -> None:
    assert restarts(recovery(), None, BACKENDS, 100) == []


def test_what_is_missing_is_left_alone_while_its_backend_is_away() -> None:
    assert restarts(recovery(), BOTH, set(), 100) == []


def test_a_restart_is_due_once_the_backend_is_back_for_the_grace_period() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, set(), 100)
    assert restarts(rule, PUBSUB, {"pubsub"}, 100, 110) == [103]


def test_the_grace_period_starts_anew_when_the_thing_was_there_in_between() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 0, 3)
    rule.is_due({}, {"pubsub"}, 3)
    assert restarts(rule, PUBSUB, {"pubsub"}, 4, 10) == [7]


def test_the_grace_period_starts_anew_when_the_sidecar_did_not_answer_in_between() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 0, 3)
    rule.is_due(None, {"pubsub"}, 3)
    assert restarts(rule, PUBSUB, {"pubsub"}, 4, 10) == [7]


def test_the_grace_period_starts_anew_when_the_backend_went_away_in_between() -> None:
    rule = recovery()
    restarts(rule, PUBSUB, {"pubsub"}, 0, 3)
    rule.is_due(PUBSUB, set(), 3)
    assert restarts(rule, PUBSUB, {"pubsub"}, 4, 10) == [7]


def test_what_a_restart_did_not_cure_gets_the_next_one_after_the_interval() -> None:
    assert restarts(recovery(), STATESTORE, {"database"}, 1500) == [3, 603, 1203]


def test_a_sidecar_that_is_away_while_it_restarts_gets_no_second_restart() -> None:
    rule = recovery()
    restarts(rule, STATESTORE, {"database"}, 4)
    rule.is_due(None, {"database"}, 4)
    assert restarts(rule, STATESTORE, {"database"}, 5, 100) == []


def test_a_backend_that_went_away_and_came_back_gets_a_restart_of_its_own() -> None:
    rule = recovery()
    restarts(rule, STATESTORE, {"database"}, 5)
    restarts(rule, STATESTORE, set(), 5, 50)
    assert restarts(rule, STATESTORE, {"database"}, 50, 60) == [53]


def test_backends_that_come_back_one_after_the_other_get_one_restart_together() -> None:
    rule = recovery()
    assert restarts(rule, BOTH, {"pubsub"}, 30) == []
    assert restarts(rule, BOTH, BACKENDS, 30, 40) == [33]


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
