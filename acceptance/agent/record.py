"""Records of a topic, as any producer may write them."""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Record:
    """One record; without a partition the key decides."""

    value: bytes
    key: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    partition: int | None = None

    def line(self) -> str:
        """One line for the program `produce`."""
        told = {
            "value": b64encode(self.value).decode(),
            "key": None if self.key is None else b64encode(self.key).decode(),
            "headers": self.headers,
            "partition": self.partition,
        }
        return json.dumps(told)


def cloud_event(event_id: object, key: str, amount: int = 0, **attributes: object) -> bytes:
    """An event of the agent's as bytes, with attributes of any value in its envelope; one of None is left out."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": event_id,
        "source": "acceptance",
        "type": "fastapi-dapr-agent.event",
        "datacontenttype": "application/json",
        "data": {"message": "from another producer", "metadata": {"key": key, "amount": amount}},
    }
    return json.dumps({name: value for name, value in (event | attributes).items() if value is not None}).encode()
