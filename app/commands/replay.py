"""Dead letters sent again."""

from collections.abc import Callable
from typing import Any

from app import escapes
from app.commands.arguments import Replay
from app.commands.handover import wrap
from app.config import Settings
from app.consume import effects
from app.database.postgres import Database
from app.dead_letters import table
from app.dead_letters.letter import MAX_RECORD_BYTES
from app.dead_letters.selection import Selection
from app.errors import ServiceError
from app.event.delivery import Delivery
from app.sidecar.api import TOPIC, Sidecar

SHOWN_BYTES = 300
"""Of a record that would be sent."""


async def replay(settings: Settings, wanted: Replay, tell: Callable[[str], object]) -> str:
    """Publish the original records of dead letters again, all attempts given back; tell each, and return how many.

    Of an id one letter is sent, and nothing at all unless there is one of every id; of a filter each that is complete.
    Whenever it ends, it may be run again: what was sent twice takes effect once.

    ServiceError when there is no dead letter of an id, or only its beginning, or one of several sources, none of them
    given; or without the database or the sidecar, saying how many were sent.
    """
    async with Database(settings) as database, Sidecar(settings) as sidecar:
        letters = await _chosen(database, wanted, tell)
        seconds = settings.sidecar_timeout_seconds + settings.database_timeout_seconds
        for number, letter in enumerate(letters):
            what = f"{_named(letter)}: {letter['kept']} bytes to {TOPIC}"
            if wanted.dry_run:
                tell(f"would replay {what}: {await _shown(database, letter)}")
                continue
            try:
                await _send(database, sidecar, letter, seconds)
            except ServiceError as error:
                stopped = f"{error.detail}; {number} of {len(letters)} replayed, stopped at {_named(letter)}"
                raise ServiceError(error.status_code, f"{stopped}: run it again to go on") from error
            tell(f"replayed {what}")
    return f"{len(letters)} would be replayed, nothing was sent" if wanted.dry_run else f"{len(letters)} replayed"


async def _chosen(database: Database, wanted: Replay, tell: Callable[[str], object]) -> list[dict[str, Any]]:
    if ids := wanted.selection.ids:
        return [await _one(database, wanted.selection._replace(ids=(one,))) for one in ids[: wanted.limit]]
    found = await table.choose(database, wanted.selection, wanted.limit)
    faults = [_fault(letter) for letter in found]
    for fault in filter(None, faults):
        tell(f"left: {fault}")
    return [letter for letter, fault in zip(found, faults, strict=True) if fault is None]


async def _one(database: Database, selection: Selection) -> dict[str, Any]:
    (told,) = selection.ids
    found = await table.choose(database, selection)
    sources = sorted({letter["source"] or "" for letter in found})
    if len(sources) > 1:
        several = ", ".join(map(escapes.name, sources))
        raise ServiceError(409, f"{told} came from several sources, SOURCE is to name one: {several}")
    if not found:
        of = f" of {selection.source}" if selection.source else ""
        narrowed = " that matches" if selection._replace(ids=(), source=None) != Selection() else ""
        raise ServiceError(404, f"there is no dead letter {told}{of}{narrowed}")
    if fault := _fault(found[0]):
        raise ServiceError(409, fault)
    return found[0]


def _fault(letter: dict[str, Any]) -> str | None:
    """Why a dead letter cannot be replayed, None when it can."""
    event_id = escapes.name(letter["id"])
    if letter["size"] is not None:
        where = escapes.name(letter["place"] or "an unknown position")
        return f"only the beginning of {event_id} was kept, of {letter['size']} bytes: the whole is at {where}"
    if letter["kept"] > MAX_RECORD_BYTES:
        return f"{event_id} has {letter['kept']} bytes, more than the sidecar sends"
    return None


async def _send(database: Database, sidecar: Sidecar, letter: dict[str, Any], seconds: float) -> None:
    """Send a record, and only if that is done forget its failure: killed in between, nothing is forgotten."""
    async with database.transaction(seconds) as connection:
        original = await table.hold(connection, letter["position"])
        # the handler takes a failure that it knows for one that is done with: delivered at once, it waits for this row
        delivery = Delivery(wrap(TOPIC, original), TOPIC, None, None, letter["key"])
        await effects.restore_attempts(connection, database.encoding, delivery)
        await table.record_replay(connection, letter["position"])
        await sidecar.publish(TOPIC, original, letter["key"])


async def _shown(database: Database, letter: dict[str, Any]) -> str:
    async with database.connection() as connection:
        original = await table.hold(connection, letter["position"])
    return escapes.line(original[:SHOWN_BYTES].decode(errors="replace"))


def _named(letter: dict[str, Any]) -> str:
    of = f" of {escapes.name(letter['source'])}" if letter["source"] else ""
    return f"{escapes.name(letter['id'])}{of}"
