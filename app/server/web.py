"""What both services are as web applications: the documentation, the bounds, and the errors of every route."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from app import __version__
from app.config import ServiceSettings
from app.errors import add_handlers
from app.server.crowd import Crowd, Places
from app.server.drain import add_drain
from app.server.limits import BodyLimit
from app.server.methods import Methods


def make_app(
    service: str, settings: ServiceSettings, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[Any]]
) -> FastAPI:
    """Make the application of a service, without its routes."""
    # its /docs brings along what the page needs: a browser may be where there is no internet
    app = FastAPIOffline(title=service, version=__version__, lifespan=lifespan, redirect_slashes=False, redoc_url=None)
    app.add_middleware(BodyLimit, seconds=settings.body_timeout_seconds)
    app.add_middleware(Methods)
    app.state.places = Places(settings.requests_at_once, settings.place_timeout_seconds)
    app.add_middleware(Crowd, places=app.state.places)
    add_drain(app)
    add_handlers(app)
    return app
