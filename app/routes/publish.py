"""Publishing events to Kafka through Dapr."""

from uuid import uuid4

from fastapi import APIRouter
from pydantic import BaseModel

from app.dapr import TOPIC
from app.errors import DependencyUnavailableError, problems
from app.events import EVENT_TYPE, EventData
from app.services import AgentMonitor, AgentSidecar

router = APIRouter(tags=["events"])


class Published(BaseModel):
    """An event that Kafka has acknowledged."""

    status: str = "published"
    topic: str = TOPIC
    message: str
    id: str


@router.post("/publish", responses=problems(400, 413, 422, 503))
async def publish(data: EventData, monitor: AgentMonitor, sidecar: AgentSidecar) -> Published:
    """Publish an event; `GET /events/{id}` shows what the handler made of it.

    A 503 carries the event's `id`: when the sidecar did not answer in time the event may still arrive.
    """
    event_id = uuid4().hex
    try:
        # while the broker is away the sidecar's producer would hold the request, then refuse for 10 s more
        monitor.require("pubsub")
        await sidecar.publish(TOPIC, event_id, EVENT_TYPE, data.model_dump(exclude_unset=True), data.metadata.key)
    except DependencyUnavailableError as error:
        error.members["id"] = event_id
        raise
    return Published(message=data.message, id=event_id)
