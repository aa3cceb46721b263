"""The agent, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import SERVICE
from app.config import Settings, load
from app.consume.handler import Handler
from app.database.postgres import Database
from app.health.monitor import Monitor
from app.kafka.broker import Broker
from app.kafka.connection import Kafka
from app.kafka.group import Group
from app.outbox.relay import Relay
from app.publish.publisher import Publisher
from app.retention.deletion import Retention
from app.routes import ROUTERS
from app.routes.fast import Deliveries, Publishes
from app.server.fast_path import FastPath
from app.server.web import make_app
from app.services import State
from app.sidecar.api import Sidecar
from app.statements import SCRIPT

CHECKED_STATEMENTS = 20


def create_app(settings: Settings | None = None) -> FastAPI:
    """Make the agent, with settings from the environment unless given."""
    settings = settings or load(Settings)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        async with (
            Sidecar(settings) as sidecar,
            Database(settings) as database,
            # its own: what clients ask for at once must not make the check late; and made anew every few seconds, to
            # find what only who connects is told, and whose the address is by now
            Database(settings, connections=1, statements=CHECKED_STATEMENTS, beside=database, script=SCRIPT) as checked,
            # a little less than the check's own time, so that the client closes what it opened
            Broker(settings, 0.8 * settings.check_timeout_seconds) as broker,
            Monitor(settings, sidecar, checked, broker, lambda: bool(app.state.draining)) as monitor,
            Relay(settings, sidecar, database, monitor) as relay,
            # its own too: it may take its time
            Database(settings, connections=1) as aside,
            Kafka(settings, settings.database_timeout_seconds) as kafka,
            Retention(settings, aside, Group(kafka, settings.kafka_consumer_group)),
        ):
            handler = Handler(settings, sidecar, database, monitor)
            publisher = Publisher(settings, sidecar, database, monitor, relay)
            yield {
                "sidecar": sidecar,
                "database": database,
                "monitor": monitor,
                "guard": monitor.guard,
                "handler": handler,
                "publisher": publisher,
                "fast_path": FastPath(
                    {"/subscribe": Deliveries(monitor.guard, handler), "/publish": Publishes(publisher, app.state)},
                    lambda: bool(app.state.draining),
                ),
            }

    app = make_app(SERVICE, settings, lifespan)
    for router in ROUTERS:
        app.include_router(router)
    return app
