"""Events that are published together are told apart: each is answered for itself."""

import asyncio
import json
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from app.config import Settings
from app.errors import DependencyUnavailableError
from app.publish.group_publish import CALLS, MAX_BYTES, MAX_EVENTS, GroupPublish
from app.sidecar.api import RefusedError, Sidecar
from tests.app.sidecar import StandInSidecar
from tests.app.waiting import in_time, until

pytestmark = [pytest.mark.anyio, pytest.mark.brief]
SINGLE, BULK = "publish/kafka-pubsub", "publish/bulk/kafka-pubsub"


@pytest.fixture
async def group(settings: Settings) -> AsyncIterator[GroupPublish]:
    """A group over the sidecar that stands in."""
    async with Sidecar(settings) as client:
        yield GroupPublish(client)


def record(event_id: str, more: str = "") -> bytes:
    return json.dumps({"id": event_id, "data": {"message": more}}).encode()


def calls(sidecar: StandInSidecar) -> list[str]:
    """Which ways were taken, in order."""
    return [BULK if "/bulk/" in request else SINGLE for request in sidecar.requests]


async def busy(group: GroupPublish, sidecar: StandInSidecar) -> list["asyncio.Task[None]"]:
    """As many calls as may be on their way at once; they stay so until the sidecar answers."""

    async def all_on_their_way() -> bool:
        return len(sidecar.records) == len(tasks)

    sidecar.answers.clear()
    sidecar.records.clear()
    sidecar.requests.clear()
    tasks: list[asyncio.Task[None]] = []
    for number in range(CALLS):
        tasks.append(asyncio.create_task(group.publish("", record(f"first-{number}"))))
        await until("it to be on its way", all_on_their_way, bool, 5)
    return tasks


async def together(
    group: GroupPublish, sidecar: StandInSidecar, records: list[bytes], key: str = ""
) -> list[BaseException | None]:
    """Publish records while the sidecar is busy; what each was told."""
    first = await busy(group, sidecar)
    waiting = [asyncio.create_task(group.publish(key, one)) for one in records]
    await asyncio.sleep(0)
    sidecar.answers.set()
    await asyncio.gather(*first)
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_lone_event_goes_at_once_by_itself(group: GroupPublish, sidecar: StandInSidecar) -> None:
    await group.publish("", record("a"))
    await group.publish("", record("b"))
    assert calls(sidecar) == [SINGLE, SINGLE]


async def test_what_comes_while_others_are_on_their_way_goes_together(
    group: GroupPublish, sidecar: StandInSidecar
) -> None:
    records = [record(f"{number}") for number in range(30)]
    assert await together(group, sidecar, records) == [None] * 30
    assert calls(sidecar) == [SINGLE] * CALLS + [BULK]
    assert [one for _, one in sidecar.records][CALLS:] == records


@pytest.mark.parametrize("key", ["", "Müller", "a/b?c&d=%2F +\u2028", '"\\'])
async def test_an_event_has_the_same_key_in_both_ways(group: GroupPublish, sidecar: StandInSidecar, key: str) -> None:
    await group.publish(key, record("alone"))
    await together(group, sidecar, [record("a"), record("b")], key)
    alone, *_, one, other = sidecar.published
    assert alone["query"] == one["query"] == other["query"] == ({"metadata.partitionKey": key} if key else {})


async def test_what_kafka_refuses_of_a_call_is_told_to_those_alone(
    group: GroupPublish, sidecar: StandInSidecar
) -> None:
    sidecar.refused = {"1", "3"}
    told = await together(group, sidecar, [record(f"{number}") for number in range(5)])
    assert [type(one) for one in told] == [type(None), RefusedError, type(None), RefusedError, type(None)]
    assert "told to fail" in str(told[1])
    assert [json.loads(one)["id"] for _, one in sidecar.records][CALLS:] == ["0", "2", "4"]


async def test_a_refusal_may_name_as_many_as_there_are(group: GroupPublish, sidecar: StandInSidecar) -> None:
    sidecar.refused = {f"{number}" for number in range(MAX_EVENTS - 1)}
    sidecar.told = "messages are rejected since there are fewer in-sync replicas than required" * 2
    told = await together(group, sidecar, [record(f"{number}") for number in range(MAX_EVENTS)])
    assert [type(one) for one in told] == [RefusedError] * (MAX_EVENTS - 1) + [type(None)]


async def test_a_refusal_that_names_nobody_is_told_to_all(group: GroupPublish, sidecar: StandInSidecar) -> None:
    first = await busy(group, sidecar)
    waiting = [asyncio.create_task(group.publish("", record(f"{number}"))) for number in range(3)]
    await asyncio.sleep(0)
    sidecar.components.clear()
    sidecar.answers.set()
    await asyncio.gather(*first)
    assert {type(one) for one in await asyncio.gather(*waiting, return_exceptions=True)} == {DependencyUnavailableError}


async def test_an_error_of_several_is_told_to_each_under_its_own_id(
    group: GroupPublish, sidecar: StandInSidecar
) -> None:
    sidecar.broken["publish"] = 500
    first, second = await asyncio.gather(
        group.publish("", record("a")), group.publish("", record("b")), return_exceptions=True
    )
    assert isinstance(first, DependencyUnavailableError)
    assert first is second
    assert (first.about("a").members, first.about("b").members) == ({"id": "a"}, {"id": "b"})


async def test_an_id_may_be_in_a_call_twice(group: GroupPublish, sidecar: StandInSidecar) -> None:
    assert await together(group, sidecar, [record("same")] * 3) == [None] * 3
    assert calls(sidecar) == [SINGLE] * CALLS + [BULK]


async def test_a_call_has_an_end(group: GroupPublish, sidecar: StandInSidecar) -> None:
    large = [record(f"{number}", "x" * (MAX_BYTES // 2)) for number in range(3)]
    small = [record(f"s{number}") for number in range(MAX_EVENTS + 1)]
    assert await together(group, sidecar, large + small) == [None] * (len(large) + len(small))
    assert calls(sidecar)[CALLS:].count(SINGLE) == len(large) - 1, "two of these would be more than a call may have"
    assert {json.loads(one)["id"] for _, one in sidecar.records} >= {"0", "1", "2", "s0", f"s{MAX_EVENTS}"}


async def test_a_sidecar_that_does_not_answer_is_told_to_all_that_wait_in_time(
    group: GroupPublish, sidecar: StandInSidecar, settings: Settings
) -> None:
    sidecar.hanging = True
    started = monotonic()
    tasks = [asyncio.create_task(group.publish("", record(f"{number}", "x" * 200_000))) for number in range(60)]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    assert len(sidecar.requests) == len(tasks) / 2, "some are still to be sent"
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(one) for one in told} == {DependencyUnavailableError}
    assert monotonic() - started < in_time(settings.sidecar_timeout_seconds + 1)
    sidecar.hanging = False
    await group.publish("", record("later"))


async def test_a_slow_call_holds_up_no_other(group: GroupPublish, sidecar: StandInSidecar) -> None:
    first = await busy(group, sidecar)
    async with asyncio.timeout(in_time(1)):
        await asyncio.gather(group.publish("other", record("a")), group.publish("other", record("b")))
    assert not any(task.done() for task in first)

    alone = [asyncio.create_task(group.publish("", record(f"{number}"))) for number in range(3)]
    sidecar.answers.set()
    await asyncio.gather(*first, *alone)
    assert calls(sidecar) == [SINGLE] * CALLS + [BULK] + [SINGLE] * 3, "its key is suspected, and goes alone"

    assert await together(group, sidecar, [record("a"), record("b")]) == [None, None]
    assert calls(sidecar) == [SINGLE] * CALLS + [BULK], "its key is suspected although Kafka took an event of it"


async def test_who_no_longer_waits_is_left_out(group: GroupPublish, sidecar: StandInSidecar) -> None:
    first = await busy(group, sidecar)
    gone = asyncio.create_task(group.publish("", record("gone")))
    last = asyncio.create_task(group.publish("", record("last")))
    await asyncio.sleep(0)
    gone.cancel()
    sidecar.answers.set()
    await asyncio.gather(*first, last)
    assert [json.loads(one)["id"] for _, one in sidecar.records][CALLS:] == ["last"]
