"""Every error as application/problem+json (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from pydantic_core import ErrorDetails
from starlette.exceptions import HTTPException

RETRY_AFTER_SECONDS = 2
PROBLEM = "application/problem+json"


class Problem(BaseModel):
    """A problem as RFC 9457 describes it; some carry members of their own, such as `checks`, `errors` or `id`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Service Unavailable",
                    "status": 503,
                    "detail": "pubsub is unavailable: no answer within 1 s",
                }
            ]
        },
    )

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class ServiceError(HTTPException):
    """An error with a status, a detail for the client, and further members of the problem."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> None:
        super().__init__(status, detail, headers)
        self.members = members


class DependencyUnavailableError(ServiceError):
    """A dependency did not do its part in time: 503, naming it, with Retry-After."""

    def __init__(self, dependency: str, reason: str, **members: object) -> None:
        headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        super().__init__(503, f"{dependency} is unavailable: {reason}", headers, **members)
        self.reason = reason

    def about(self, event_id: str) -> ServiceError:
        """The error as it is told of one event: it may be that of several."""
        return ServiceError(self.status_code, self.detail, self.headers, **self.members | {"id": event_id})


def problem(status: int, detail: str, headers: Mapping[str, str] | None = None, **members: object) -> Response:
    """Answer with a problem; the title is the status's own phrase."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail).model_dump() | members
    # ASCII: a detail may quote input that UTF-8 cannot encode
    content = json.dumps(body, default=str)
    return Response(content, status, headers, PROBLEM)


def answer_to(error: HTTPException) -> Response:
    """Answer an error as its problem."""
    members = error.members if isinstance(error, ServiceError) else {}
    return problem(error.status_code, error.detail, error.headers, **members)


def unexpected() -> Response:
    """Answer an error that nobody thought of."""
    return problem(500, "unexpected error; the log says more")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's `responses` of a route that may answer with these statuses."""
    content = {PROBLEM: {"schema": Problem.model_json_schema()}}
    return {status: {"description": HTTPStatus(status).phrase, "content": content} for status in statuses}


def field_errors(errors: list[ErrorDetails]) -> list[dict[str, str]]:
    """Field and message of each of pydantic's errors."""
    return [{"field": _field(error), "message": error["msg"].removeprefix("Value error, ")} for error in errors]


def _field(error: ErrorDetails) -> str:
    if error["type"] == "json_invalid":  # located by a position in the text
        return "body"
    return ".".join(str(part) for part in error["loc"] if part not in ("body", "query", "path", "header")) or "body"


def describe(errors: list[dict[str, str]]) -> str:
    """Field errors as one line."""
    return "; ".join(f"{error['field']}: {error['message']}" for error in errors)


def add_handlers(app: FastAPI) -> None:
    """Make the app answer every error as a problem."""

    @app.exception_handler(HTTPException)
    async def on_http_error(_: Request, error: HTTPException) -> Response:
        return answer_to(error)

    @app.exception_handler(RequestValidationError)
    async def on_invalid_request(_: Request, error: RequestValidationError) -> Response:
        errors = field_errors(list(error.errors()))
        status = 400 if any(one["loc"][0] == "header" for one in error.errors()) else 422
        return problem(status, describe(errors), errors=errors)

    @app.exception_handler(Exception)
    async def on_unexpected(_: Request, __: Exception) -> Response:
        return unexpected()
