"""The agent, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from app import SERVICE
from app.broker import Broker
from app.config import Settings, load
from app.dapr import Sidecar
from app.database import Database
from app.fast_path import FastPath
from app.fast_routes import Deliveries, Publishes
from app.group import Group
from app.handler import Handler
from app.health import Monitor
from app.kafka import Kafka
from app.publisher import Publisher
from app.relay import Relay
from app.retention import Retention
from app.routes import ROUTERS
from app.services import State
from app.web import make_app

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
            Database(settings, connections=1, statements=CHECKED_STATEMENTS, beside=database) as checked,
            # a little less than the check's own time, so that the client closes what it opened
            Broker(settings.kafka_brokers, 0.8 * settings.check_timeout_seconds) as broker,
            Monitor(settings, sidecar, checked, broker, lambda: bool(app.state.draining)) as monitor,
            Relay(settings, sidecar, database, monitor) as relay,
            # its own too: it may take its time
            Database(settings, connections=1) as aside,
            Kafka(settings.kafka_brokers, settings.database_timeout_seconds) as kafka,
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
