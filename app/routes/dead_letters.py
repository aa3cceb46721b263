"""Dead letters as Dapr delivers them."""

import logging

from fastapi import APIRouter, Request, Response

from app.consume.handler import Status
from app.dead_letters import table
from app.dead_letters.letter import DeadLetter
from app.errors import DependencyUnavailableError, problems
from app.event.delivery import Delivery
from app.routes.subscribe import BODY, Reply, body_of, reply
from app.server.limits import BodyIncompleteError
from app.services import AgentDatabase, AgentMonitor
from app.sidecar.guard import Guard

router = APIRouter(tags=["dapr"])
logger = logging.getLogger(__name__)


@router.post("/dead-letters", openapi_extra=BODY, response_model=Reply, responses=problems(401))
async def receive_dead_letter(request: Request, database: AgentDatabase, monitor: AgentMonitor) -> Response:
    """Record a delivered dead letter, once however often it is delivered. To the sidecar always 200.

    `SUCCESS`: recorded; of a body that is too large to be read, its position. `RETRY`: the database is away, or the
    body was cut short.
    """
    guard: Guard = request.state.guard
    guard.require_delivery(request.scope)
    try:
        delivery = Delivery.of(await body_of(request), request.scope["headers"])
        monitor.require("database")
        letter = DeadLetter.of(delivery)
        await table.record(database, letter, delivery.partition, delivery.offset)
        monitor.progress.note(delivery, done=True)
    except (DependencyUnavailableError, BodyIncompleteError) as error:
        logger.warning("A dead letter waits: %s", error.detail)
        return reply(Status.RETRY)
    except Exception:
        logger.exception("A dead letter could not be recorded")
        return reply(Status.RETRY)
    logger.warning("Recorded dead letter %s", letter.id, extra={"id": letter.id, "reason": letter.reason})
    return reply(Status.SUCCESS)
