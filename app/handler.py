"""What happens to a delivered event: applied, tried again, or sent to the dead letter topic."""

import logging
from base64 import b64encode
from enum import StrEnum
from time import monotonic

import asyncpg

from app import effects
from app.config import Settings
from app.dapr import DEAD_LETTER_TOPIC, Sidecar
from app.database import Database
from app.delivery import Delivery, IndigestibleError
from app.errors import DependencyUnavailableError
from app.events import DEAD_LETTER_TYPE
from app.health import Monitor

logger = logging.getLogger(__name__)
FAULTS_OF_THE_SCHEMA = (asyncpg.IntegrityConstraintViolationError, asyncpg.PLPGSQLError)
"""Nothing in an event breaks a constraint of ours: these are somebody else's, and every event may meet them."""


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
        fields = {"id": delivery.id, "key": delivery.key, "status": status, "outcome": outcome}
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
        data = {
            "id": delivery.id,
            "reason": reason,
            "attempts": failure.attempts,
            "first_failed_at": failure.first_failed_at,
            "partition": delivery.partition,
            "offset": delivery.offset,
            "record_key": delivery.record_key,
            "original_base64": b64encode(delivery.record).decode(),
        }
        await self._sidecar.publish(DEAD_LETTER_TOPIC, delivery.id, DEAD_LETTER_TYPE, data)
        await effects.end_failure(self._database, delivery)
        return Status.SUCCESS, f"dead-lettered: {reason}"
