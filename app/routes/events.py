"""What the handler made of events."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from app import SERVICE
from app.consume import history
from app.database.pages import Place
from app.errors import ServiceError, problems
from app.event.data import MAX_ID, Key
from app.event.envelope import MAX_SOURCE
from app.event.values import Text
from app.routes import paths
from app.services import AgentDatabase

paths.register()
router = APIRouter(tags=["events"])


@router.get("/events", responses=problems(422, 503))
async def events(
    key: Annotated[Key, Query(examples=["customer-7"])],
    database: AgentDatabase,
    page_token: Annotated[str | None, Query()] = None,
    page_size: Annotated[int, Query(ge=1, le=history.MAX_PAGE)] = history.MAX_PAGE,
) -> dict[str, Any]:
    """Show a key's totals and its last events, the latest first.

    `next_page_token` is the `page_token` of those before; a page of large events has fewer of them.
    """
    try:
        after = None if page_token is None else Place.read(page_token)
    except ValueError as error:
        raise ServiceError(422, f"page_token: {error}") from error
    return await history.find_by_key(database, key, after, page_size)


@router.get("/events/{id:text}", responses=problems(404, 422, 503))
async def event(
    event_id: Annotated[Text, Path(alias="id", max_length=MAX_ID)],
    database: AgentDatabase,
    source: Annotated[Text, Query(min_length=1, max_length=MAX_SOURCE, examples=[SERVICE])] = SERVICE,
) -> dict[str, Any]:
    """Show one event: an id is unique within its source, which is the agent's own unless told.

    `queued` and `published` are in the outbox, `applied` has its effect, `failing` has attempts left, `dead-lettered`
    has a reason.
    """
    found = await history.find(database, event_id, source)
    if found is None:
        raise ServiceError(404, f"event {event_id} of {source} has not been processed")
    return found
