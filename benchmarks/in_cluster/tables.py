"""Runs inside the cluster: makes a schema with tables in it. On stdin, a JSON object: dsn, schema, migrations."""

import asyncio
import json
import sys
from typing import Any

import asyncpg


async def make(wanted: dict[str, Any]) -> None:
    """Make them."""
    connection = await asyncpg.connect(wanted["dsn"], server_settings={"search_path": wanted["schema"]})
    await connection.execute(f"CREATE SCHEMA {wanted['schema']}; {'; '.join(wanted['migrations'])}")
    await connection.close()


if __name__ == "__main__":
    asyncio.run(make(json.load(sys.stdin)))
    print(json.dumps(None))
