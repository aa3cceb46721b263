"""What is told of published events: missing, twice, dead-lettered."""

from typing import Any, cast

import pytest

from acceptance.agent.account import Account
from acceptance.agent.database import Database
from acceptance.agent.topic import Topic
from acceptance.harness.errors import NotYetError


class Effects:
    """A database with these events in effect, and a dead letter topic that grows by one at each look."""

    def __init__(self, *applied: str) -> None:
        self.applied = applied
        self.looks = 0

    def rows(self, _query: str, _key: str) -> list[dict[str, Any]]:
        """The effects."""
        return [{"event_id": event_id} for event_id in self.applied]

    def offsets(self) -> dict[str, int]:
        """Where the topic ends."""
        self.looks += 1
        return {"0": self.looks, "1": 7}


def account(*applied: str) -> Account:
    effects = Effects(*applied)
    return Account(cast("Database", effects), cast("Topic", effects), "key")


def test_an_event_without_effect_is_named() -> None:
    account("a", "b").require_applied({"a", "b"})
    with pytest.raises(NotYetError, match="1 of 3 events are not applied, such as c"):
        account("a", "b").require_applied({"a", "b", "c"})


def test_effects_too_many_are_counted() -> None:
    assert account("a", "b").twice() == []
    assert account("a", "b", "a", "a").twice() == ["a", "a"]


def test_dead_letters_are_counted_from_the_beginning_of_the_account() -> None:
    assert account().dead_lettered() == 1
