"""The rule by which the sidecar is restarted."""

from app.health import missing_from
from app.recovery import Recovery

PUBSUB = {"component kafka-pubsub": "pubsub", "subscription agent-events": "pubsub"}
STATESTORE = {"component postgres-statestore": "database"}
BOTH = PUBSUB | STATESTORE


def recovery() -> Recovery:
    return Recovery(grace_seconds=3, interval_seconds=60)


def test_nothing_missing_is_left_alone() -> None:
    rule = recovery()
    assert [rule.due({}, {"pubsub", "database"}, now) for now in range(100)] == [[]] * 100


def test_what_is_missing_is_left_alone_while_its_backend_is_away() -> None:
    rule = recovery()
    assert [rule.due(BOTH, set(), now) for now in range(100)] == [[]] * 100


def test_a_restart_is_due_once_the_backend_is_back_for_the_grace_period() -> None:
    rule = recovery()
    assert rule.due(PUBSUB, set(), 0) == []
    assert rule.due(PUBSUB, {"pubsub"}, 100) == []
    assert rule.due(PUBSUB, {"pubsub"}, 102.9) == []
    assert rule.due(PUBSUB, {"pubsub"}, 103) == list(PUBSUB)


def test_the_grace_period_starts_anew_when_the_thing_was_there_in_between() -> None:
    rule = recovery()
    rule.due(PUBSUB, {"pubsub"}, 0)
    rule.due({}, {"pubsub"}, 2)
    assert rule.due(PUBSUB, {"pubsub"}, 4) == []
    assert rule.due(PUBSUB, {"pubsub"}, 7) == list(PUBSUB)


def test_the_grace_period_starts_anew_when_the_backend_went_away_in_between() -> None:
    rule = recovery()
    rule.due(PUBSUB, {"pubsub"}, 0)
    rule.due(PUBSUB, set(), 2)
    assert rule.due(PUBSUB, {"pubsub"}, 4) == []


def test_the_same_thing_is_restarted_for_at_most_once_a_minute() -> None:
    rule = recovery()
    restarts = [now for now in range(200) if rule.due(STATESTORE, {"database"}, now)]
    assert restarts == [3, 63, 123, 183]


def test_backends_that_come_back_one_after_the_other_each_get_a_restart() -> None:
    rule = recovery()
    restarts: list[int] = []
    for now in range(50):
        available = {"pubsub"} if now < 30 else {"pubsub", "database"}
        missing = BOTH if not restarts else STATESTORE
        missing = {} if len(restarts) == 2 else missing
        if rule.due(missing, available, now):
            restarts.append(now)
    assert restarts == [3, 33]


def test_one_restart_serves_everything_whose_backend_is_back() -> None:
    rule = recovery()
    rule.due(PUBSUB, {"pubsub"}, 0)
    assert rule.due(BOTH, {"pubsub", "database"}, 3) == list(PUBSUB)
    assert [now for now in range(4, 60) if rule.due(BOTH, {"pubsub", "database"}, now)] == []


def test_missing_things_are_read_from_the_metadata() -> None:
    loaded = {
        "components": [{"name": "kafka-pubsub"}, {"name": "postgres-statestore"}],
        "subscriptions": [{"pubsubname": "kafka-pubsub", "topic": "agent-events"}],
    }
    assert missing_from(loaded) == {}
    assert missing_from({}) == BOTH
    assert missing_from(loaded | {"components": [{"name": "kafka-pubsub"}]}) == STATESTORE
    elsewhere = [{"pubsubname": "other", "topic": "agent-events"}]
    assert missing_from(loaded | {"subscriptions": elsewhere}) == {"subscription agent-events": "pubsub"}
