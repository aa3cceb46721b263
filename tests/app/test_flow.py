"""The rule by which events wait although nothing keeps them."""

from app.health.flow import Flow, Stuck
from app.kafka.group import Partition, Position

PARTITION = Partition("agent-events", 3)


def look(flow: Flow, now: float, committed: int, end: int, start: int = 0) -> list[Stuck]:
    return flow.observe({PARTITION: Position(committed, start, end)}, now)


def test_events_wait_since_the_first_look_at_an_offset_that_does_not_move() -> None:
    flow = Flow()
    look(flow, 1, 40, 57)
    look(flow, 5, 40, 58)
    assert look(flow, 9, 40, 59) == [Stuck(PARTITION, 19, 40, since=1, silent_since=1)]
    assert flow.lag == 19


def test_a_group_that_moves_keeps_nobody_waiting() -> None:
    flow = Flow()
    look(flow, 1, 40, 57)
    assert [one.since for one in look(flow, 9, 41, 57)] == [9]
    assert look(flow, 10, 57, 57) == []
    assert flow.lag == 0


def test_a_delivery_ends_the_silence_before_anything_is_committed() -> None:
    flow = Flow()
    look(flow, 1, 40, 57)
    flow.deliver(PARTITION, 40, 8, done=False)
    assert look(flow, 9, 40, 57) == [Stuck(PARTITION, 17, 40, since=1, silent_since=8)]


def test_what_was_done_with_does_not_wait_though_it_is_not_committed_yet() -> None:
    flow = Flow()
    flow.deliver(PARTITION, 56, 8, done=True)
    assert look(flow, 9, 40, 57) == []


def test_a_group_that_never_committed_begins_at_the_first_record() -> None:
    assert look(Flow(), 1, -1, 57, start=50) == [Stuck(PARTITION, 7, 50, since=1, silent_since=1)]
    assert look(Flow(), 1, -1, 0) == []


def test_records_that_were_deleted_do_not_wait() -> None:
    assert look(Flow(), 1, 40, 57, start=57) == []


def test_marks_of_transactions_do_not_wait_and_events_behind_them_do() -> None:
    flow = Flow()
    look(flow, 1, 40, 41)
    flow.skip(PARTITION, 41)
    assert look(flow, 11, 40, 41) == []
    assert look(flow, 12, 40, 43) == [Stuck(PARTITION, 2, 41, since=12, silent_since=12)]


def test_events_of_a_topic_that_was_made_anew_wait_although_more_was_committed_before() -> None:
    flow = Flow()
    flow.deliver(PARTITION, 899, 1, done=True)
    assert look(flow, 2, 900, 3) == [], "whether these were delivered nobody knows"
    look(flow, 3, 900, 5)
    assert look(flow, 20, 900, 5) == [Stuck(PARTITION, 2, 3, since=3, silent_since=3)]
    flow.deliver(PARTITION, 4, 21, done=True)
    assert look(flow, 22, 900, 5) == []


def test_a_pause_forgets_since_when_events_wait() -> None:
    flow = Flow()
    look(flow, 1, 40, 57)
    flow.pause()
    assert flow.lag is None
    assert [one.since for one in look(flow, 20, 40, 57)] == [20]
