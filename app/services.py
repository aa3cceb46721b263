"""What the routes reach: made by the lifespan as typed state, handed out by these aliases."""

from typing import Annotated, TypedDict

from fastapi import Depends, Request

from app.consume.handler import Handler
from app.database.postgres import Database
from app.health.monitor import Monitor
from app.publish.publisher import Publisher
from app.server.fast_path import FastPath
from app.sidecar.api import Sidecar
from app.sidecar.guard import Guard


class State(TypedDict):
    """The agent's state while it runs."""

    sidecar: Sidecar
    database: Database
    monitor: Monitor
    guard: Guard
    handler: Handler
    publisher: Publisher
    fast_path: FastPath | None


def from_state(name: str) -> object:
    """Depend on a member of the lifespan's state."""

    async def read(request: Request) -> object:  # a plain function would be given a thread for each request
        return getattr(request.state, name)

    return Depends(read)


AgentSidecar = Annotated[Sidecar, from_state("sidecar")]
AgentDatabase = Annotated[Database, from_state("database")]
AgentMonitor = Annotated[Monitor, from_state("monitor")]
AgentPublisher = Annotated[Publisher, from_state("publisher")]
