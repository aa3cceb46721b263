"""Publishing an event: at once through the sidecar, or later through the outbox."""

from contextlib import suppress
from typing import NamedTuple

from app.config import Settings
from app.database.encoding import unstorable
from app.database.postgres import Database
from app.errors import DependencyUnavailableError, ServiceError
from app.event import envelope
from app.event.data import EVENT_TYPE, EventData
from app.health.monitor import Monitor
from app.outbox import store
from app.outbox.group_add import GroupAdd
from app.outbox.relay import Relay
from app.publish.group_publish import GroupPublish
from app.sidecar.api import Sidecar

MAX_DATA_BYTES = 1_048_588 - 4096
"""What a topic takes in one record by default, less the rest of the CloudEvent, the key and the headers."""


class Wishes(NamedTuple):
    """What a client asks for: an id of its own, an answer before Kafka's, and the trace that its event is in."""

    idempotency_key: str | None
    respond_async: bool
    trace: dict[str, str]


class Publisher:
    """Both ways to publish; DependencyUnavailableError when the event may or may not be on its way.

    Both take the same, so that a client may retry in the other way, and refuse with a 413 what Kafka would not take.
    """

    def __init__(
        self, settings: Settings, sidecar: Sidecar, database: Database, monitor: Monitor, relay: Relay
    ) -> None:
        self._lookup_seconds = settings.key_lookup_timeout_seconds
        self._group = GroupPublish(sidecar)
        self._outbox = GroupAdd(database, settings.database_timeout_seconds)
        self._database = database
        self._monitor = monitor
        self._relay = relay

    async def accept(self, event_id: str, data: EventData, wishes: Wishes) -> None:
        """Return when Kafka has the event, or the outbox as is wished; ServiceError when its id is known as another."""
        if wishes.respond_async:
            await self.queue(event_id, data, wishes.trace)
            return
        if wishes.idempotency_key:
            await self.check_id(event_id, data)
        await self.publish(event_id, data, wishes.trace)

    async def publish(self, event_id: str, data: EventData, trace: dict[str, str]) -> None:
        """Return when Kafka has the event."""
        content = self._checked(data)
        # while the broker is away the sidecar's producer would hold the request, then refuse for 10 s more
        self._monitor.require("pubsub")
        record = envelope.write(event_id, EVENT_TYPE, content, **trace)
        await self._group.publish(data.metadata.key, record)

    async def queue(self, event_id: str, data: EventData, trace: dict[str, str]) -> None:
        """Return when PostgreSQL has the event; ServiceError when it knows the id with other data."""
        self._checked(data)
        await self._outbox.add(event_id, data, trace)
        self._relay.wake()

    async def check_id(self, event_id: str, data: EventData) -> None:
        """Raise a ServiceError when an id is known with other data. Without the database the handler will see it."""
        with suppress(DependencyUnavailableError):
            self._monitor.require("database")
            await store.check_id(self._database, event_id, data, self._lookup_seconds)

    def _checked(self, data: EventData) -> bytes:
        """Return the data as JSON; ServiceError when Kafka or PostgreSQL cannot take it."""
        content = data.canonical.encode()
        if len(content) > MAX_DATA_BYTES:
            raise ServiceError(413, f"body: at most {MAX_DATA_BYTES} bytes in Kafka, it is {len(content)}")
        # before the first connection the encoding is not known: then the handler will see it
        if found := unstorable(self._database.encoding, data.texts):
            raise ServiceError(422, f"{found.field}: {found.message}", errors=[found._asdict()])
        return content
