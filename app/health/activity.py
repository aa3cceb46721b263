"""What the tables say of the events' way: when one took effect last, and how long one has been queued."""

from datetime import datetime
from typing import NamedTuple

from app.database.postgres import Database

ACTIVITY = """
SELECT (SELECT applied_at FROM effects ORDER BY number DESC LIMIT 1) AS last_applied_at,
    (SELECT extract(epoch FROM clock_timestamp() - min(created_at))::float8 FROM outbox) AS outbox_age_seconds
"""


class Activity(NamedTuple):
    """The last event that took effect, on any replica, and the age of the oldest in the outbox, if it has one."""

    last_applied_at: datetime | None = None
    outbox_age_seconds: float | None = None


async def read(database: Database) -> Activity:
    """Ask the database; DependencyUnavailableError while it is away."""
    async with database.connection() as connection:
        (row,) = await connection.fetch(ACTIVITY)
    return Activity(**row)
