"""The agent's own questions to Kafka."""

import asyncio
import gc

import pytest
from aiokafka.protocol.metadata import MetadataRequest_v0  # type: ignore[import-untyped]  # it ships no types

from app.config import Settings
from app.kafka.connection import Kafka
from tests.app.broker import StandInBroker
from tests.app.waiting import in_time

pytestmark = [pytest.mark.anyio, pytest.mark.brief]


async def test_a_question_that_is_given_up_leaves_no_connection_open(settings: Settings, broker: StandInBroker) -> None:
    broker.unanswered = {MetadataRequest_v0.API_KEY}
    async with Kafka(settings, 0.5) as kafka:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await kafka.describe_topics()
    gc.collect()  # a connection that nobody closed warns, which is an error here


async def test_who_is_cancelled_while_it_closes_a_connection_is_cancelled(settings: Settings) -> None:
    async with Kafka(settings, in_time(1)) as kafka:
        for turns in range(20):
            await kafka.describe_topics()
            closing = asyncio.create_task(kafka.close())
            for _ in range(turns):
                await asyncio.sleep(0)
            ended_before = closing.done()
            closing.cancel()
            await asyncio.wait([closing])
            assert closing.cancelled() or ended_before, f"it went on after {turns} turns of the loop"
    gc.collect()
