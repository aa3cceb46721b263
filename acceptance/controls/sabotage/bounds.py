"""Bounds that are gone; taken away at the first question after /health, which the kubelet asks soon enough."""

from collections.abc import Mapping

from app.kafka.group import Partition, Position
from app.retention.deletion import Retention
from app.retention.expiry import Rule
from app.server import protocol

from .exchange import Answer, Exchange

PROBE = ("GET", "health")
delete = Retention._delete  # noqa: SLF001 -- what is tampered with


async def takes_headers_without_end(exchange: Exchange) -> Answer:
    """A server that waits for the end of a header, however long that takes and however much comes."""
    if exchange.call == PROBE:
        exchange.tamper(protocol, "MAX_HEAD_BYTES", 2**40)
        exchange.tamper(protocol, "HEAD_SECONDS", 3600.0)
    return await exchange.inner()


async def forgets_by_age_alone(exchange: Exchange) -> Answer:
    """A retention that does not ask Kafka what it still has."""
    if exchange.call == PROBE:
        exchange.tamper(Retention, "_delete", _delete_regardless)
    return await exchange.inner()


async def _delete_regardless(
    self: Retention, rule: Rule, before: object, positions: Mapping[Partition, Position]
) -> int:
    emptied = {partition: position._replace(start=position.end) for partition, position in positions.items()}
    return await delete(self, rule, before, emptied)  # type: ignore[arg-type]  # handed on as it came
