"""HTTP's own methods (RFC 9110): HEAD wherever there is GET, OPTIONS everywhere, and an `Allow` that names them all."""

from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from fastapi import Response
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import problem

ASKED = ("DELETE", "GET", "PATCH", "POST", "PUT")


class Methods:
    """Answer what is the same for every route, before there is a route; 400 for a target that is no UTF-8."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, a HEAD as GET: the server leaves the body of the answer out."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        for part, encoded in (("path", scope["raw_path"]), ("query", scope["query_string"])):
            if not _is_utf8(encoded):
                # decoded with replacements, other keys would become this one
                await problem(400, f"{part}: its percent-encoding is not UTF-8")(scope, receive, send)
                return
        if scope["method"] == "OPTIONS" and (methods := _allowed(scope)):
            await Response(status_code=204, headers={"Allow": methods})(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == HTTPStatus.METHOD_NOT_ALLOWED:
                MutableHeaders(scope=message)["allow"] = _allowed(scope)
            await send(message)

        # a copy: a Mount would leave its own path in this one
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self.app({**scope, "method": method}, receive, complete)


def _allowed(scope: Scope) -> str:
    """Name every method that a path takes; empty where there is no such path."""
    routes = scope["app"].router.routes
    taken = [method for method in ASKED if any(_takes(route, {**scope, "method": method}) for route in routes)]
    return ", ".join([*taken, *["HEAD"] * ("GET" in taken), "OPTIONS"]) if taken else ""


def _takes(route: BaseRoute, scope: Scope) -> bool:
    if isinstance(route, Mount) and scope["method"] != "GET":  # it leaves the method to what is mounted: files
        return False
    return route.matches(scope)[0] is Match.FULL


def _is_utf8(encoded: bytes) -> bool:
    try:
        unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError:
        return False
    return True
