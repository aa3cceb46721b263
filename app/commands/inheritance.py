"""State that version 1 of Dapr's state.postgresql left behind, brought to the table of version 2."""

from typing import TYPE_CHECKING

from app import SERVICE, escapes
from app.config import Settings
from app.database.postgres import Database
from app.errors import ServiceError

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

IMPORT_SECONDS = 600
"""However much there is: a statement of an event has to be done much sooner."""
NEEDED = {
    "dapr_state": {"key", "value", "isbinary", "insertdate", "updatedate", "expiredate"},
    "agent_state": {"key", "value", "created_at", "updated_at", "expires_at"},
}
UNUSABLE = {
    "dapr_state": "is no table of state.postgresql version 1",
    "agent_state": "is no table of state.postgresql version 2: the sidecar makes it when it loads postgres-statestore",
}
COLUMNS = """
SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
"""
# what was deleted since an earlier import must not come back by a later one
IMPORTED_STATE = """
CREATE TABLE IF NOT EXISTS imported_state (
    key         text PRIMARY KEY,
    imported_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
# Dapr puts the app id and || before a key, in both versions. Version 1 has JSON as jsonb, and bytes in base64 as a JSON
# text; version 2 has the bytes themselves, of JSON those that its clients read.
IMPORT = """
WITH judged AS MATERIALIZED (
    SELECT *, CASE
        WHEN NOT starts_with(key, $1 || '||') THEN 'of another app id: ' || split_part(key, '||', 1)
        WHEN expiredate < now() THEN 'expired'
        WHEN key IN (SELECT key FROM agent_state) THEN 'there already'
        WHEN key IN (SELECT key FROM imported_state) THEN 'deleted since an earlier import'
        WHEN isbinary AND NOT (
            jsonb_typeof(value) = 'string'
            AND value #>> '{}' ~ '^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$'
        ) THEN 'unreadable: said to be binary, and no base64'
        ELSE 'imported'
    END AS outcome
    FROM dapr_state
), imported AS (
    INSERT INTO agent_state (key, value, created_at, updated_at, expires_at)
    SELECT key, CASE WHEN isbinary THEN decode(value #>> '{}', 'base64') ELSE convert_to(value::text, 'UTF8') END,
        insertdate, updatedate, expiredate
    FROM judged WHERE outcome = 'imported'
    ON CONFLICT (key) DO NOTHING RETURNING key
), noted AS (
    INSERT INTO imported_state (key) SELECT key FROM imported
)
SELECT CASE WHEN outcome = 'imported' AND imported.key IS NULL THEN 'there already' ELSE outcome END AS outcome,
    count(*) AS keys
FROM judged LEFT JOIN imported USING (key) GROUP BY 1 ORDER BY 1
"""


async def import_state(settings: Settings) -> str:
    """Copy the agent's keys from `dapr_state` to `agent_state`, in one transaction, and say what became of all keys.

    What is in `agent_state` stays as it is, and so does all of `dapr_state`. ServiceError when one of them is missing
    or is another kind of table, or without the database.
    """
    async with Database(settings) as database, database.transaction(IMPORT_SECONDS) as connection:
        for table in NEEDED:
            await _require(connection, table)
        await connection.execute(IMPORTED_STATE)
        counts = {row["outcome"]: row["keys"] for row in await connection.fetch(IMPORT, SERVICE)}
    lines = [f"{keys:8}  {escapes.line(outcome)}" for outcome, keys in ({"imported": 0} | counts).items()]
    return "\n".join([f"{sum(counts.values())} keys in dapr_state, which stays as it is:", *lines])


async def _require(connection: "PoolConnectionProxy", table: str) -> None:
    found = {row["attname"] for row in await connection.fetch(COLUMNS, table)}
    if not found:
        raise ServiceError(404, f"there is no table {table} in the agent's database: nothing was imported")
    if missing := NEEDED[table] - found:
        raise ServiceError(409, f"{table} {UNUSABLE[table]}: it has no {', '.join(sorted(missing))}")
