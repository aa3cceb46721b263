"""The waiting policy: it ends, it says what is missing, and it gives up when waiting cannot help."""

from collections.abc import Callable

import pytest

from acceptance.harness.errors import HopelessError, NotYetError, UnmetError
from acceptance.harness.waiting import Waiting


def failing(*errors: Exception) -> Callable[[], str]:
    left = list(errors)

    def probe() -> str:
        if left:
            raise left.pop(0)
        return "there"

    return probe


def test_it_returns_what_the_probe_returns_and_counts_retries() -> None:
    waiting = Waiting()
    found = waiting.until("it", failing(NotYetError("1"), OSError("2")), within_s=60, interval_s=0.001)
    assert found == "there"
    assert waiting.retries == 2


def test_it_ends_in_time_with_what_was_seen_last() -> None:
    with pytest.raises(UnmetError, match="expected it; seen 1/2 ready") as failure:
        Waiting().until("it", failing(*[NotYetError("1/2 ready")] * 10**5), within_s=0.05, interval_s=0.01)
    assert failure.value.since_s is not None
    assert 0.04 < failure.value.since_s < 60


def test_it_gives_up_at_once_when_waiting_cannot_help() -> None:
    with pytest.raises(UnmetError, match=r"no such image \(waiting cannot help\)") as failure:
        Waiting().until("it", failing(HopelessError("no such image")), within_s=60)
    assert failure.value.since_s is not None
    assert failure.value.since_s < 60


def test_it_does_not_swallow_a_mistake_of_the_suite() -> None:
    with pytest.raises(ZeroDivisionError):
        Waiting().until("it", failing(ZeroDivisionError()), within_s=60)


def test_the_time_scale_stretches_the_deadline() -> None:
    waiting = Waiting(time_scale=6000)
    errors = [NotYetError("not yet")] * 20
    assert waiting.until("it", failing(*errors), within_s=0.01, interval_s=0.01) == "there"


def test_it_shows_what_it_waits_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acceptance.harness.waiting.QUIET_S", 0.02)
    shown: list[str] = []
    waiting = Waiting(show=shown.append)
    waiting.until("the pod", failing(*[NotYetError("1/2 ready")] * 10), within_s=60, interval_s=0.01)
    assert shown
    assert shown[0].endswith("for the pod: 1/2 ready")


def test_a_stated_time_passes_in_full_and_is_not_stretched() -> None:
    waiting = Waiting(time_scale=100)
    waiting.through(0.3, "the fault to last")
