"""Whether events make their way: taken from Kafka, and applied to the database."""

from collections import deque
from math import inf
from time import monotonic
from typing import Any

from app.config import Settings
from app.database.postgres import Database
from app.event.delivery import Delivery
from app.health import activity
from app.health.activity import Activity
from app.health.consumption import Consumption
from app.health.dependency import CheckFailedError
from app.health.flow import Flow
from app.health.outcomes import Outcomes
from app.kafka.connection import TOPICS, Kafka
from app.kafka.group import Group, Partition
from app.sidecar.subscription import Subscription

TOLD = 3
EXCUSED = 6
"""So many times longer may events wait for a sidecar that is only just back: ready again before they are taken."""
FORGIVEN = 2
"""A sidecar that was away more often than this in that time may die of the very record that waits."""


class Progress:
    """The check `events`: what it knows comes from the deliveries, the tables and the consumer group."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.outcomes = Outcomes(settings.refused_seconds)
        self.subscription = Subscription(settings.unsubscribing_seconds, settings.subscribing_seconds)
        self._database = database
        self._silent_seconds = settings.silent_seconds
        self._period_seconds = settings.events_period_seconds
        # less than the check's own time
        self._kafka = Kafka(settings, 0.4 * settings.check_timeout_seconds)
        self._flow = Flow()
        group = Group(self._kafka, settings.kafka_consumer_group)
        self._consumption = Consumption(group, self._flow, 0.8 * settings.check_timeout_seconds)
        self._activity = Activity()
        self._activity_due = 0.0
        self._excused_until = -inf
        self._absences: deque[float] = deque([-inf] * (FORGIVEN + 1), FORGIVEN + 1)

    async def close(self) -> None:
        """Close the connection to Kafka."""
        await self._kafka.close()

    @property
    def lag(self) -> int | None:
        """Events that are in Kafka and were not taken yet, of both topics; None while nobody knows."""
        return self._flow.lag

    def note(self, delivery: Delivery, *, done: bool) -> None:
        """Note that the sidecar delivers, and whether this event is done with."""
        if delivery.topic in TOPICS and delivery.partition is not None and delivery.offset is not None:
            partition = Partition(delivery.topic, delivery.partition)
            self._flow.deliver(partition, delivery.offset, monotonic(), done=done)

    def members(self) -> dict[str, Any]:
        """What there is to report beside whether all is well."""
        last, age = self._activity
        return {
            "last_applied_at": last.isoformat(timespec="milliseconds") if last else None,
            "outbox_age_seconds": None if age is None else round(age, 1),
            "waiting_elsewhere": self._consumption.elsewhere,
        }

    def pause(self) -> None:
        """Forget since when events wait: database or broker keep them, and their own checks say so."""
        self.outcomes.applied()
        self._activity = Activity()
        self._consumption.pause()
        self.subscription.pause()

    def excuse_sidecar(self, away_since: float) -> None:
        """Be patient once it is back: the sidecar is away since that moment, and its own check says so."""
        self.subscription.pause()
        if away_since != self._absences[-1]:
            self._absences.append(away_since)
        is_forgiven = away_since - self._absences[0] > self._silent_seconds * EXCUSED
        self._excused_until = monotonic() + self._silent_seconds if is_forgiven else -inf

    async def read_activity(self) -> None:
        """Look into the tables, each period; DependencyUnavailableError while the database is away."""
        if monotonic() >= self._activity_due:
            self._activity = await activity.read(self._database)
            self._activity_due = monotonic() + self._period_seconds

    async def check(self, *, is_sidecar_away: bool) -> None:
        """Raise CheckFailedError when events wait although database and broker are there, or none can be applied."""
        is_excused = monotonic() < self._excused_until and not is_sidecar_away
        patience = self._silent_seconds * (EXCUSED if is_excused else 1)
        complaints = self.outcomes.complaints(monotonic()) + await self._consumption.complaints(patience)
        seen = self._consumption
        if seen.is_member is None:
            self.subscription.pause()
        else:
            self.subscription.observe(
                monotonic(), is_member=seen.is_member, is_partial=seen.is_partial, is_missed=seen.is_missed
            )
        if complaints:
            more = [f"and {len(complaints) - TOLD} more"] * (len(complaints) > TOLD)
            raise CheckFailedError("; ".join(complaints[:TOLD] + more))
