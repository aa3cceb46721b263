"""The statements that events need, and a script by which PostgreSQL says whether they can run."""

import re

from app.consume import effects, history
from app.dead_letters import table
from app.health import activity
from app.outbox import store

STATEMENTS = (
    effects.APPLY,
    effects.RECORD_FAILURE,
    effects.END_FAILURE,
    effects.RESTORE_ATTEMPTS,
    history.EVENT,
    history.EVENTS_OF_KEY,
    history.FAILED_EVENT,
    history.QUEUED_EVENT,
    history.TOTALS,
    store.ADD,
    store.FIND,
    store.SETTLE,
    store.NEXT,
    store.MARK,
    table.RECORD,
    table.PAGE,
    table.CHOSEN,
    table.ORIGINAL,
    table.RECORD_REPLAY,
    activity.ACTIVITY,
)
LOCK_TIMEOUT_MS = 500
"""A table that is locked for longer refuses events too; the server must not keep the question waiting for it."""


def explained(statements: tuple[str, ...]) -> str:
    """Make a script of one round trip that fails when a table, a column or a right of a statement is missing.

    To explain a statement checks rights as well, which to prepare it does not. Parameters become NULL: only a
    script without any is sent in one go.
    """
    plans = (f"EXPLAIN (COSTS OFF) {re.sub(r'[$][0-9]+', 'NULL', statement)};" for statement in statements)
    return f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS};" + "".join(plans)


SCRIPT = explained(STATEMENTS)
