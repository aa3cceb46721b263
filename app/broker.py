"""The Kafka broker itself, asked directly: a sidecar's health never turns red for it."""

import asyncio
from contextlib import suppress
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient  # type: ignore[import-untyped]  # it ships no types
from aiokafka.errors import KafkaError  # type: ignore[import-untyped]  # it ships no types

from app import SERVICE
from app.dapr import DEAD_LETTER_TOPIC, TOPIC
from app.errors import DependencyUnavailableError


class Broker:
    """Asks the broker for its topics, over one connection that is made anew after a failure."""

    def __init__(self, brokers: str, timeout_seconds: float) -> None:
        self._brokers = brokers
        self._timeout_seconds = timeout_seconds
        self._admin: AIOKafkaAdminClient | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()

    async def check(self) -> None:
        """Return when the broker answers and has both topics, else raise DependencyUnavailableError."""
        try:
            topics = await self._topics()
        except (KafkaError, OSError, TimeoutError) as error:
            await self._close()
            raise DependencyUnavailableError(
                "pubsub", f"the broker {self._brokers} does not answer: {error!r}"
            ) from error
        except BaseException:
            await self._close()
            raise
        missing = sorted({TOPIC, DEAD_LETTER_TOPIC}.difference(topics))
        if missing:
            raise DependencyUnavailableError("pubsub", f"topic {', '.join(missing)} is missing, `make topics` makes it")

    async def _topics(self) -> list[str]:
        if self._admin is None:
            self._admin = AIOKafkaAdminClient(
                bootstrap_servers=self._brokers,
                client_id=f"{SERVICE}-check",
                request_timeout_ms=int(self._timeout_seconds * 1000),
            )
            await self._admin.start()
        topics: list[str] = await self._admin.list_topics()
        return topics

    async def _close(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_seconds):
                    await admin.close()
