"""The Kafka broker itself, asked directly: a sidecar's health never turns red for it."""

from app.errors import DependencyUnavailableError
from app.kafka.connection import Kafka, fault

MISSING = "UnknownTopicOrPartitionError"


class Broker(Kafka):
    """The check of the broker and of both topics."""

    async def check(self) -> None:
        """Return when the broker answers and has both topics, else raise DependencyUnavailableError."""
        faults = {topic["topic"]: fault(topic["error_code"]) for topic in await self.describe_topics()}
        missing = sorted(topic for topic, name in faults.items() if name == MISSING)
        if missing:
            raise DependencyUnavailableError("pubsub", f"topic {', '.join(missing)} is missing, `make topics` makes it")
        refused = [f"topic {topic}: {name}" for topic, name in faults.items() if name]
        if refused:
            raise DependencyUnavailableError("pubsub", ", ".join(refused))
