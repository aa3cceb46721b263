"""What happens to a delivered event: applied, tried again, or sent to the dead letter topic."""

import logging
import re
from enum import StrEnum
from time import monotonic

import asyncpg

from app.config import Settings
from app.consume import effects
from app.consume.effects import Failure
from app.consume.group_apply import GroupApply
from app.database.postgres import Database
from app.dead_letters import table
from app.dead_letters.letter import MAX_RECORD_BYTES, SMALLER, DeadLetter
from app.errors import DependencyUnavailableError
from app.event.delivery import Delivery, IndigestibleError
from app.health.monitor import Monitor
from app.sidecar.api import DEAD_LETTER_TOPIC, RefusedError, Sidecar

logger = logging.getLogger(__name__)
FAULTS_OF_THE_SCHEMA = (asyncpg.IntegrityConstraintViolationError, asyncpg.PLPGSQLError)
"""Nothing in an event breaks a constraint of ours: these are somebody else's, and every event may meet them."""
TOO_LARGE = re.compile("was too large|(message|batch) larger than", re.IGNORECASE)
"""How Sarama, and the broker through it, refuse a record for its size; any other refusal may pass."""


class Status(StrEnum):
    """The answers that daprd knows; any other would be redelivered for ever."""

    SUCCESS = "SUCCESS"
    RETRY = "RETRY"
    DROP = "DROP"


class Handler:
    """Handles deliveries. Whatever happens, the answer is a Status: daprd takes an error for `again, for ever`."""

    def __init__(self, settings: Settings, sidecar: Sidecar, database: Database, monitor: Monitor) -> None:
        self._max_attempts = settings.max_event_attempts
        self._sidecar = sidecar
        self._database = database
        self._group = GroupApply(database)
        self._monitor = monitor

    async def handle(self, delivery: Delivery) -> Status:
        """Handle one delivery and log it.

        SUCCESS: applied, now or by an earlier delivery, or sent to the dead letter topic by ourselves.
        RETRY: a dependency is away, or handling raised and attempts are left.
        """
        try:
            status, outcome = await self._apply(delivery)
        except DependencyUnavailableError as error:
            status, outcome = Status.RETRY, error.detail
        except Exception as error:
            logger.exception("Event %s could be neither applied nor dead-lettered", delivery.id)
            status, outcome = Status.RETRY, repr(error)
        self._monitor.progress.note(delivery, done=status is not Status.RETRY)
        told = {"id": delivery.id, "source": delivery.source, "key": delivery.key}
        fields = told | {"status": status, "outcome": outcome} | delivery.trace
        logger.info("Received event %s", delivery.id, extra=fields)
        return status

    async def _apply(self, delivery: Delivery) -> tuple[Status, str]:
        # daprd tries again each second: connections in vain would use up the refusals that the sidecar needs
        self._monitor.require("database")
        try:
            applied = await self._group.apply(delivery)
        except DependencyUnavailableError as error:
            self._monitor.progress.outcomes.refused(error.reason, monotonic())
            raise
        except IndigestibleError as error:
            return await self._reject(delivery, str(error), 1)
        except Exception as error:
            logger.exception("Handling of event %s raised", delivery.id)
            if isinstance(error, FAULTS_OF_THE_SCHEMA):
                self._monitor.progress.outcomes.refused(str(error), monotonic())
            return await self._reject(delivery, repr(error), self._max_attempts)
        self._monitor.progress.outcomes.applied()
        return Status.SUCCESS, "applied" if applied else "applied before"

    async def _reject(self, delivery: Delivery, reason: str, max_attempts: int) -> tuple[Status, str]:
        """Count a failed attempt, durably, and dead-letter the event when it was the last."""
        failure = await effects.record_failure(self._database, delivery, reason)
        if failure.dead_lettered:
            await effects.end_failure(self._database, delivery)  # the relay lets go of what failed since it was queued
            return Status.SUCCESS, f"dead-lettered before: {failure.reason}"
        if failure.attempts < max_attempts:
            return Status.RETRY, f"attempt {failure.attempts} of {max_attempts} failed: {failure.reason}"
        # whole, for its topic may take a part, or be lost; first, for its topic is not to get one for each attempt
        await table.record(self._database, DeadLetter.given_up(delivery, failure.reason, failure.attempts))
        await self._send(delivery, failure)
        await effects.end_failure(self._database, delivery)
        return Status.SUCCESS, f"dead-lettered: {failure.reason}"

    async def _send(self, delivery: Delivery, failure: Failure, kept: int | None = None) -> None:
        """Send the dead letter, with as much of the record as its topic takes."""
        letter = DeadLetter.given_up(delivery, failure.reason, failure.attempts, kept)
        record = letter.write(failure.first_failed_at, delivery.trace)
        if len(record) > MAX_RECORD_BYTES:
            await self._send(delivery, failure, SMALLER[kept])
            return
        try:
            await self._sidecar.publish(DEAD_LETTER_TOPIC, record)
        except RefusedError as error:
            if kept not in SMALLER or not TOO_LARGE.search(error.reason):
                raise
            await self._send(delivery, failure, SMALLER[kept])
