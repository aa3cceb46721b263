"""Asks PostgreSQL: the first line of stdin says where and how, each further one is a question, each answered by a line.

The first, a JSON object: dsn, keep (one connection for all questions, else one for each, so that a restart of
PostgreSQL leaves nothing behind). A question: query, arguments, timeout_s. An answer: columns and rows, or error, what
kind it is, its sqlstate if it has one, and whether PostgreSQL is away.
"""

import asyncio
import json
import sys
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg

AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Session:
    """The questions of one process."""

    def __init__(self, dsn: str, *, keep: bool) -> None:
        self._dsn = dsn
        self._keep = keep
        self._connection: asyncpg.Connection | None = None

    async def answer(self, query: str, arguments: list[Any], timeout_s: float) -> dict[str, Any]:
        """The answer to one question."""
        try:
            if not self._connection:
                self._connection = await asyncpg.connect(self._dsn, timeout=timeout_s)
            statement = await self._connection.prepare(query, timeout=timeout_s)
            rows = await statement.fetch(*arguments, timeout=timeout_s)
            return {"columns": [one.name for one in statement.get_attributes()], "rows": [[*row] for row in rows]}
        except (asyncpg.PostgresError, *AWAY) as error:
            what = {"error": str(error) or type(error).__name__, "kind": type(error).__name__}
            return {**what, "sqlstate": getattr(error, "sqlstate", None), "away": isinstance(error, AWAY)}
        finally:
            if self._connection and not self._keep:
                with suppress(*AWAY):
                    await self._connection.close(timeout=timeout_s)
                self._connection = None


def told(value: object) -> dict[str, str] | str:
    """A value that JSON does not know: a numeric, or a time as a text. Raises TypeError for another."""
    if not isinstance(value, Decimal | datetime):
        raise TypeError(f"{type(value).__name__} cannot be told: let the query make a text of it")
    return {"numeric": str(value)} if isinstance(value, Decimal) else str(value)


async def main() -> None:
    """Answer until stdin is closed."""
    lines = iter(sys.stdin.readline, "")
    session = Session(**json.loads(next(lines)))
    for line in lines:
        print(json.dumps(await session.answer(**json.loads(line)), default=told), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
