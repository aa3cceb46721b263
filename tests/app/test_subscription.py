"""The sidecar is told to subscribe when it may, and anew when it believes that it has and takes nothing."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from app.config import Settings
from app.kafka.connection import TOPICS
from app.kafka.group import Partition, address
from app.main import create_app
from app.sidecar.subscription import Subscription
from tests.app.broker import StandInBroker
from tests.app.client import assert_problem, running, until_failing
from tests.app.test_health import events_view
from tests.app.test_progress import LETTERS, OTHER, OWN, PARTITION, REPLICA, let_wait
from tests.app.waiting import until

UNSUBSCRIBING, SUBSCRIBING = 4, 6


def test_a_no_is_held_until_the_sidecar_has_unsubscribed() -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    assert rule.is_due(0, fit=True)
    assert not rule.is_due(1, fit=False)
    assert not rule.is_due(1.1, fit=True), "the sidecar would subscribe while it unsubscribes"
    assert rule.is_due(UNSUBSCRIBING, fit=True)


def test_a_no_that_lasted_is_not_held_any_longer() -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    assert rule.is_due(0, fit=True)
    assert [rule.is_due(second, fit=False) for second in range(1, 20)] == [False] * 19
    assert rule.is_due(20, fit=True)


def test_a_replica_that_was_not_checked_yet_is_subscribed_as_soon_as_it_is_fit() -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    assert not rule.is_due(0, fit=False)
    assert rule.is_due(0.1, fit=True)


def observed(rule: Subscription, seconds: range, **seen: bool) -> list[int]:
    """The seconds at which the sidecar is told no, while each second it asks and the group is looked at."""
    told_no = []
    for now in seconds:
        rule.observe(now, **{"is_member": False, "is_partial": False, "is_missed": False, **seen})
        if not rule.is_due(now, fit=True):
            told_no.append(now)
    return told_no


def held(*since: int) -> list[int]:
    return [second for first in since for second in range(first, first + UNSUBSCRIBING)]


def test_a_sidecar_that_left_the_group_is_told_once_to_subscribe_anew() -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    assert observed(rule, range(10), is_member=True) == []
    assert observed(rule, range(10, 200)) == held(10 + SUBSCRIBING)
    assert observed(rule, range(200, 210), is_member=True) == []
    assert observed(rule, range(210, 400)) == held(210 + SUBSCRIBING)


@pytest.mark.parametrize(("seen", "patience"), [("is_partial", SUBSCRIBING // 2), ("is_missed", SUBSCRIBING)])
def test_a_sidecar_that_takes_no_events_is_told_again_and_given_longer_each_time(seen: str, patience: int) -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    observed(rule, range(10), is_member=True)
    second = 10 + patience + UNSUBSCRIBING + 2 * patience
    third = second + UNSUBSCRIBING + 4 * patience
    end, later = third + 10, third + 20
    assert observed(rule, range(10, end), **{seen: True}) == held(10 + patience, second, third)
    assert observed(rule, range(end, later), is_member=True) == []
    assert observed(rule, range(later, later + patience + 1), **{seen: True}) == [later + patience]


def test_a_sidecar_whose_address_is_not_seen_in_the_group_is_only_missed_with_events() -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    assert observed(rule, range(100)) == []
    assert observed(rule, range(100, 110), is_missed=True)[0] == 100


def test_a_sidecar_that_is_kept_by_something_else_is_not_absent() -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    observed(rule, range(10), is_member=True)
    for now in range(10, 100):
        rule.pause()
        assert observed(rule, range(now, now + 1)) == []


@pytest.mark.parametrize("pace", [1.0, 3.0])
def test_an_app_that_missed_probes_lets_the_sidecar_unsubscribe(pace: float) -> None:
    rule = Subscription(UNSUBSCRIBING, SUBSCRIBING)
    probes = [pace * number for number in range(8)]
    assert all(rule.is_due(now, fit=True) for now in probes), "it has just started"
    late = probes[-1] + 2 * pace
    assert rule.is_due(late, fit=True), "one alone may be late"
    missed = late + 5 * pace
    assert not rule.is_due(missed, fit=True)
    assert not rule.is_due(missed + 0.9 * UNSUBSCRIBING, fit=True)
    assert rule.is_due(missed + UNSUBSCRIBING, fit=True)


@pytest.fixture
async def member(broker: StandInBroker, settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an agent whose sidecar is in the consumer group, as its checks have seen."""
    broker.members = [(REPLICA, OWN, [PARTITION])]

    async def asked() -> int:
        return broker.asked_for_members

    async with running(create_app(settings)) as client:
        await until("it to look twice", asked, lambda count: count >= 2, 5)
        assert await events_view(client) == 200
        yield client


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("members", "partition", "topics"),
    [
        ([], PARTITION, TOPICS),
        ([(REPLICA, OTHER, [PARTITION])], None, TOPICS),
        ([(REPLICA, OWN, [])], None, ["agent-events-dead-letters"]),
    ],
    ids=["events wait", "beside another replica", "a topic is missing"],
)
async def test_a_sidecar_without_a_consumer_is_told_to_subscribe_anew(
    member: httpx.AsyncClient,
    broker: StandInBroker,
    members: list[tuple[str, str, list[Partition]]],
    partition: Partition | None,
    topics: list[str],
) -> None:
    broker.members, broker.subscribed = [*members], [*topics]
    if partition:
        let_wait(broker, partition)
    await until("it to be told no", lambda: events_view(member), lambda status: status == 503, 4)
    assert_problem(await member.get("/ready", params={"for": "events"}), 503, "subscription (the sidecar is given")
    await until("it to be told yes", lambda: events_view(member), lambda status: status == 200, 2)


@pytest.mark.anyio
@pytest.mark.parametrize(("members", "told"), [([], 503), ([(REPLICA, OTHER, [PARTITION])], 200)])
async def test_a_sidecar_that_was_never_seen_in_the_group_is_missed_by_events_that_nobody_has(
    agent: httpx.AsyncClient, broker: StandInBroker, members: list[tuple[str, str, list[Partition]]], told: int
) -> None:
    broker.members = [*members]
    assert await events_view(agent) == 200
    await asyncio.sleep(1)  # longer than one that was seen may be absent
    assert await events_view(agent) == 200
    let_wait(broker)
    seen = set()

    async def views() -> set[int]:
        seen.add(await events_view(agent))
        return seen

    await until_failing(agent, "events", within_seconds=4)
    if told == 503:
        await until("it to be told no", views, lambda statuses: 503 in statuses, 2)
    else:
        with pytest.raises(AssertionError):
            await until("it to be told no", views, lambda statuses: 503 in statuses, 2)


@pytest.mark.anyio
@pytest.mark.parametrize("how", ["another protocol", "metadata that cannot be read"])
async def test_a_group_that_cannot_be_understood_is_not_acted_upon(
    member: httpx.AsyncClient, broker: StandInBroker, how: str
) -> None:
    if how == "another protocol":
        broker.protocol_type = ""
    else:
        broker.members.append(("stranger", OTHER, [LETTERS]))
        broker.unreadable = {"stranger"}
    asked = broker.asked_for_members
    while broker.asked_for_members < asked + 15:  # longer than a sidecar may be absent
        assert await events_view(member) == 200
        assert "check itself" not in (await member.get("/ready")).text
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("text", ["fd00:10:244:0:0:0:0:5", "fd00:10:244::5", "FD00:10:244::5%eth0"])
def test_an_address_is_compared_in_one_way(text: str) -> None:
    assert address(text) == "fd00:10:244::5"


@pytest.mark.anyio
async def test_a_database_that_is_back_at_once_is_not_told_at_once(
    agent: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await events_view(agent) == 200
    with monkeypatch.context() as patched:
        patched.setattr("app.health.dependency.Dependency.error", "away")
        patched.setattr("app.health.dependency.Dependency.failing_seconds", 9.0)
        assert await events_view(agent) == 503
    assert_problem(await agent.get("/ready", params={"for": "events"}), 503, "subscription")
