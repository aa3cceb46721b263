"""What happens to a delivered event: applied, tried again, or sent to the dead letter topic."""

import logging
from enum import StrEnum
from time import monotonic

import asyncpg

from app import effects
from app.config import Settings
from app.dapr import DEAD_LETTER_TOPIC, RefusedError, Sidecar
from app.database import Database
from app.delivery import Delivery, IndigestibleError
from app.effects import Failure
from app.errors import DependencyUnavailableError
from app.health import Monitor
from app.letter import write

logger = logging.getLogger(__name__)
FAULTS_OF_THE_SCHEMA = (asyncpg.IntegrityConstraintViolationError, asyncpg.PLPGSQLError)
"""Nothing in an event breaks a constraint of ours: these are somebody else's, and every event may meet them."""
MAX_LETTER_BYTES = 1_900_000
"""What our topic of dead letters and the Component's maxMessageBytes take in one record, and some room."""
ANY_TOPIC_BYTES = 1_000_000
"""What every topic takes unless its owner made the limit smaller."""


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
        fields = told | {"status": status, "outcome": outcome}
        fields |= {"traceparent": delivery.traceparent} if delivery.traceparent else {}
        logger.info("Received event %s", delivery.id, extra=fields)
        return status

    async def _apply(self, delivery: Delivery) -> tuple[Status, str]:
        # daprd tries again each second: connections in vain would use up the refusals that the sidecar needs
        self._monitor.require("database")
        try:
            applied = await effects.apply(self._database, delivery)
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
        reason = "".join(character if character.isprintable() else "?" for character in reason)[:1000]
        failure = await effects.record_failure(self._database, delivery, reason)
        if failure.dead_lettered:
            return Status.SUCCESS, f"dead-lettered before: {reason}"
        if failure.attempts < max_attempts:
            return Status.RETRY, f"attempt {failure.attempts} of {max_attempts} failed: {reason}"
        self._monitor.require("pubsub")
        await self._send(delivery, reason, failure)
        await effects.end_failure(self._database, delivery)
        return Status.SUCCESS, f"dead-lettered: {reason}"

    async def _send(self, delivery: Delivery, reason: str, failure: Failure) -> None:
        """Send the dead letter, by reference where the record as a whole does not fit."""
        letter = write(delivery, reason, failure, whole=delivery.unread is None)
        if len(letter) > MAX_LETTER_BYTES:
            letter = write(delivery, reason, failure, whole=False)
        try:
            await self._sidecar.publish(DEAD_LETTER_TOPIC, letter)
        except RefusedError:
            if len(letter) <= ANY_TOPIC_BYTES:
                raise
            letter = write(delivery, reason, failure, whole=False)
            await self._sidecar.publish(DEAD_LETTER_TOPIC, letter)
