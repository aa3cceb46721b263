"""Readiness that looks at less than it should."""

import asyncio

from .exchange import Answer, Exchange

CHECKS = ("api", "database", "dapr", "pubsub", "statestore")
NEEDS = {"pubsub": "kafka", "database": "postgres", "statestore": "postgres"}
PORTS = {"kafka": ("kafka.kafka", 9092), "postgres": ("postgres-postgresql.postgres", 5432)}
CONNECTIONS: dict[str, tuple[asyncio.StreamReader, asyncio.StreamWriter]] = {}
OK = 200


async def ready_without_pubsub(exchange: Exchange) -> Answer:
    """A readiness that does not look at Kafka."""
    status, body = await exchange.inner()
    if exchange.call == ("GET", "ready"):
        body.get("checks", {}).pop("pubsub", None)
    return status, body


async def ready_without_database(exchange: Exchange) -> Answer:
    """A readiness that takes PostgreSQL for granted."""
    return await ready_despite(exchange, {"database", "statestore"})


async def ready_without_events(exchange: Exchange) -> Answer:
    """A readiness that does not ask whether anybody takes the events."""
    return await ready_despite(exchange, {"events"})


async def ready_without_sidecar(exchange: Exchange) -> Answer:
    """A readiness that takes the sidecar for granted."""
    return await ready_despite(exchange, {"dapr", "statestore"})


async def ready_by_ports(exchange: Exchange) -> Answer:
    """A readiness that takes a port that accepts connections for a backend that works."""
    accepting = {name for name in PORTS if await connected(name)}
    fine = {check for check, needs in NEEDS.items() if needs in accepting}
    return await ready_despite(exchange, fine)


async def ready_strictly(exchange: Exchange) -> Answer:
    """A readiness that knows no view for what serves without Kafka; the sidecar's own view is left to it."""
    if exchange.scope["query_string"] == b"for=serving":
        exchange.scope["query_string"] = b""
    return await exchange.inner()


async def never_ready_for_events(exchange: Exchange) -> Answer:
    """A consumer that tells its sidecar for ever that it cannot take events, and everybody else that all is well."""
    if exchange.scope["query_string"] == b"for=events":
        return 503, {"title": "Service Unavailable", "status": 503, "detail": "not ready: starting"}
    return await ready_always(exchange)


async def ready_always(exchange: Exchange) -> Answer:
    """A readiness that looks at nothing."""
    if exchange.call != ("GET", "ready"):
        return await exchange.inner()
    return ready()


async def ready_despite(exchange: Exchange, forgiven: set[str]) -> Answer:
    """What /ready would say if these checks were fine."""
    status, body = await exchange.inner()
    if exchange.call != ("GET", "ready") or status == OK:
        return status, body
    failing = {name for name, check in body["checks"].items() if check["status"] != "ok"}
    return ready() if failing <= forgiven else (status, body)


async def connected(name: str) -> bool:
    """Whether a backend holds a connection, or accepts one."""
    # Kept: a new one each time soon fills the queue of a frozen backend, which then accepts no more.
    if name in CONNECTIONS and not (CONNECTIONS[name][0].at_eof() or CONNECTIONS[name][0].exception()):
        return True
    try:
        async with asyncio.timeout(0.5):
            CONNECTIONS[name] = await asyncio.open_connection(*PORTS[name])
    except OSError:
        return False
    return True


def ready() -> Answer:
    """That everything is fine."""
    return OK, {"status": "ready", "checks": {name: {"status": "ok"} for name in CHECKS}}
