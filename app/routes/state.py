"""State, saved through Dapr."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from app.errors import ServiceError, problems
from app.event.values import JsonValue, check_line
from app.routes import paths
from app.services import AgentSidecar

paths.register()
router = APIRouter(tags=["state"])
MAX_KEY = 512


def _key(key: str) -> str:
    if "||" in key:
        raise ValueError("must not contain `||`, Dapr's own separator")
    return check_line(key)


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(_key)]
KeyInPath = Annotated[str, Path(min_length=1, max_length=MAX_KEY), AfterValidator(_key)]


class Entry(BaseModel):
    """A key and its value."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"key": "cart-7", "value": {"items": [1, 2]}}]}
    )

    key: Key
    value: JsonValue
    """Any JSON value."""


class Change(BaseModel):
    """What became of a key."""

    status: str
    key: str


@router.post("/state", responses=problems(400, 408, 413, 422, 503))
async def save_state(entry: Entry, sidecar: AgentSidecar) -> Change:
    """Save a value under a key."""
    await sidecar.save_state(entry.key, entry.value)
    return Change(status="saved", key=entry.key)


@router.get("/state/{key:text}", responses=problems(404, 422, 503))
async def get_state(key: KeyInPath, sidecar: AgentSidecar) -> Entry:
    """Read the value of a key."""
    found, value = await sidecar.get_state(key)
    if not found:
        raise ServiceError(404, f"key {key} has no value")
    return Entry.model_construct(key=key, value=value)


@router.delete("/state/{key:text}", responses=problems(422, 503))
async def delete_state(key: KeyInPath, sidecar: AgentSidecar) -> Change:
    """Delete a key, whether it is there or not."""
    await sidecar.delete_state(key)
    return Change(status="deleted", key=key)
