"""The agent's routes, a module per noun."""

from fastapi import APIRouter

from app.routes import database, dead_letters, events, health, publish, root, state, subscribe

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    root.router,
    publish.router,
    subscribe.router,
    dead_letters.router,
    events.router,
    state.router,
    database.router,
)
