"""A connection to Kafka, made when it is used and made anew after a failure."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self

from aiokafka.client import AIOKafkaClient  # type: ignore[import-untyped]  # it ships no types
from aiokafka.conn import create_conn  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import KafkaConnectionError, KafkaError, for_code  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]  # it ships no types

from app import SERVICE, tls
from app.config import Settings
from app.errors import DependencyUnavailableError
from app.sidecar.api import DEAD_LETTER_TOPIC, TOPIC

TOPICS = (TOPIC, DEAD_LETTER_TOPIC)


class Kafka:
    """Asks the brokers; DependencyUnavailableError from every question that gets no answer in `timeout_seconds`."""

    def __init__(self, settings: Settings, timeout_seconds: float) -> None:
        self._brokers = settings.kafka_brokers
        self._timeout_seconds = timeout_seconds
        self._arguments = {
            "client_id": f"{SERVICE}-check",
            "request_timeout_ms": int(timeout_seconds * 1000),
            **_security(settings),
        }
        self._client: AIOKafkaClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ask(self, request: object, node: int | None = None) -> Any:  # noqa: ANN401 - it ships no types
        """Send a request to a broker, to any of them unless one is given, and return its answer."""
        try:
            client = await self._connected()
            answer = await client.send(await _any_node(client) if node is None else node, request)
        except (KafkaError, OSError, TimeoutError) as error:
            await self.close()
            reason = f"the broker {self._brokers} does not answer: {error!r}"
            raise DependencyUnavailableError("pubsub", reason) from error
        except BaseException:
            await self.close()
            raise
        if isinstance(request, MetadataRequest):
            client.cluster.update_metadata(answer)  # where the leaders are
        return answer

    async def describe_topics(self) -> list[dict[str, Any]]:
        """Describe our topics, and none of the many others that there may be; asking does not make one."""
        answer = await self.ask(MetadataRequest(list(TOPICS), allow_auto_topic_creation=False))
        topics: list[dict[str, Any]] = answer.to_object()["topics"]
        return topics

    async def _connected(self) -> AIOKafkaClient:
        if self._client is None:
            self._client = AIOKafkaClient(bootstrap_servers=self._brokers, **self._arguments)
            try:
                # cancelled itself it would leave its connection open; it has a time-out of its own
                await self._ended(self._client.bootstrap())
            except KafkaConnectionError:
                if "ssl_context" in self._arguments:
                    await self._ended(self._require_connection())
                raise
            # what it asks by itself after a broken connection
            self._client.set_topics(TOPICS)
        return self._client

    async def _require_connection(self) -> None:
        """Raise what the first broker, or its certificate, is refused for: the client tells that to its log alone."""
        host, _, port = self._brokers.partition(",")[0].strip().rpartition(":")
        connection = await create_conn(host, int(port), **self._arguments)
        connection.close()

    async def close(self) -> None:
        """Close the connection; the next question makes a new one."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_seconds):
                    # it cancels a task of its own, and would take our cancellation for that one's end
                    await self._ended(client.close())

    async def _ended(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Let something end that must not be cancelled; who waits for it may be, and is once it has ended."""
        task = asyncio.ensure_future(coroutine)
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=self._timeout_seconds)
            raise


def _security(settings: Settings) -> dict[str, Any]:
    """How the brokers are asked."""
    protocol, password = settings.kafka_security_protocol, settings.kafka_sasl_password
    found: dict[str, Any] = {"security_protocol": protocol}
    if protocol != "PLAINTEXT":
        found["ssl_context"] = tls.context(settings.kafka_ssl_root_cert)
    if protocol == "SASL_SSL" and password:
        found["sasl_mechanism"] = settings.kafka_sasl_mechanism
        found["sasl_plain_username"] = settings.kafka_sasl_username
        found["sasl_plain_password"] = password.get_secret_value()
    return found


async def _any_node(client: AIOKafkaClient) -> int:
    """Pick a broker that takes connections: of several one may be away, and the others serve its partitions."""
    first = client.get_random_node()
    for node in sorted((broker.nodeId for broker in client.cluster.brokers()), key=lambda one: one != first):
        if await client.ready(node):
            return int(node)
    raise KafkaConnectionError("no broker takes a connection")


def fault(code: int) -> str:
    """Name an error code of Kafka, empty when it says that all is well."""
    return str(for_code(code).__name__) if code else ""
