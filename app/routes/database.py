"""PostgreSQL, asked directly."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.errors import problems
from app.services import AgentDatabase

router = APIRouter(tags=["database"])
QUERY = """
SELECT version() AS postgres_version, count(*) AS table_count
FROM information_schema.tables WHERE table_schema = 'public'
"""


class QueryResult(BaseModel):
    """What PostgreSQL said about itself; `table_count` counts the schema `public`."""

    status: str = "ok"
    postgres_version: str
    table_count: int


@router.get("/db/query", responses=problems(503))
async def query(database: AgentDatabase) -> QueryResult:
    """Ask PostgreSQL for its version and its tables, not through Dapr."""
    async with database.connection() as connection:
        (row,) = await connection.fetch(QUERY)
    return QueryResult(**row)
