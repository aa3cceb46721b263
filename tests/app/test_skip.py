"""One command passes over a record that the sidecar cannot take."""

import asyncpg
import pytest

from app import commands
from app.config import Settings
from app.errors import ServiceError
from app.group import Partition
from tests.app.broker import StandInBroker

# the agent makes the tables
pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("agent")]

PARTITION = Partition("agent-events", 3)


@pytest.fixture
def waiting(broker: StandInBroker) -> StandInBroker:
    """A broker whose group waits in a partition at offset 40, where records go on until 57."""
    broker.committed[PARTITION], broker.ends[PARTITION] = 40, 57
    return broker


async def test_the_group_goes_on_behind_the_record_which_is_on_record(
    waiting: StandInBroker, settings: Settings, sql: asyncpg.Connection
) -> None:
    told = await commands.skip(settings, "3", "40")
    assert "agent-events/3 goes on at offset 41" in told
    assert waiting.committed[PARTITION] == 41
    assert not waiting.joined, "expected it to leave the group, whose members then ask for the offset"
    (letter,) = await sql.fetch('SELECT id, reason, attempts, size FROM dead_letters WHERE "offset" = 40')
    assert letter["id"] == "position:3:40"
    assert "passed over by hand" in letter["reason"]
    listed = await commands.list_dead_letters(settings)
    assert "position:3:40" in listed
    with pytest.raises(ServiceError, match="only the beginning"):
        await commands.replay(settings, "position:3:40")


@pytest.mark.parametrize(
    ("partition", "offset", "told"),
    [
        ("3", "39", "agent-events/3 goes on at offset 40 of 57, not at 39"),
        ("3", "41", "agent-events/3 goes on at offset 40 of 57, not at 41"),
        ("4", "0", "agent-events/4 goes on at offset 0 of 0"),
        ("99", "0", "there is no agent-events/99"),
        ("three", "0", "partition: expected a number, got 'three'"),
        ("3", "-1", "offset: expected a number, got '-1'"),
    ],
)
async def test_nothing_is_passed_over_where_nothing_waits(
    waiting: StandInBroker, settings: Settings, partition: str, offset: str, told: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        await commands.skip(settings, partition, offset)
    assert told in refused.value.detail
    assert waiting.committed[PARTITION] == 40
