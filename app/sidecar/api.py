"""The sidecar's HTTP API, over one session."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from io import BytesIO
from typing import Any, Self
from urllib.parse import quote

import aiohttp
from pydantic_core import from_json, to_json
from yarl import URL

from app.config import ServiceSettings
from app.errors import DependencyUnavailableError, ServiceError

PUBSUB = "kafka-pubsub"
STATESTORE = "postgres-statestore"
TOPIC = "agent-events"
DEAD_LETTER_TOPIC = "agent-events-dead-letters"
JSON = "application/json"
BINARY = "application/octet-stream"
LARGE_BYTES = 2**20
MAX_FIELD_BYTES = 2**18
Entry = tuple[str, str, bytes]
"""Id, partition key, and record."""
DAPR_ERRORS = (b'{"errorCode":"ERR_', b"invalid api token")
"""How an error of daprd itself begins, as told from an answer of the invoked service."""
CREDENTIAL = "dapr-api-token"
"""Header of the token that the sidecar asks for, and of the other one that it shows."""
Headers = Iterable[tuple[str, str]]
REFUSED = b'"ERR_PUBSUB_PUBLISH_MESSAGE"'
# daprd ends with a panic when it reads a CloudEvent itself whose `traceparent` is no string
RAW = {"rawPayload": "true"}
# no `deadLetterTopic`: without a retry policy of Resiliency, whose retries outlive the consumer's session, daprd would
# take the first RETRY for the last; the handler sends to the dead letter topic by itself
# no `bulkSubscribe`: while it retries, its consumer holds one lock for all partitions (components-contrib 1.18.3,
# consumer.go), so that an event that has to wait would keep every other; group commit batches without it
SUBSCRIPTIONS: list[dict[str, Any]] = [
    {"pubsubname": PUBSUB, "topic": TOPIC, "route": "/subscribe", "metadata": RAW},
    {"pubsubname": PUBSUB, "topic": DEAD_LETTER_TOPIC, "route": "/dead-letters", "metadata": RAW},
]


class RefusedError(DependencyUnavailableError):
    """The sidecar answered that Kafka did not take something: all of it, or a part."""

    def __init__(self, dependency: str, reason: str, answer: bytes = b"") -> None:
        super().__init__(dependency, reason)
        self._answer = answer

    @property
    def failed(self) -> dict[str, str]:
        """Why, by the id of each entry that Kafka did not take; nothing when the sidecar did not say which."""
        try:
            return {one["entryId"]: one["error"] or "refused" for one in from_json(self._answer)["failedEntries"]}
        except (ValueError, LookupError, TypeError):
            return {}


class UnreachableError(DependencyUnavailableError):
    """The sidecar takes no connection, or drops it: it is gone, or starting."""


class Sidecar:
    """The sidecar of this pod. A call that fails raises DependencyUnavailableError, after `timeout_seconds` at most."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._base = f"http://127.0.0.1:{settings.dapr_http_port}"
        self._timeout_seconds = settings.sidecar_timeout_seconds
        self._token = settings.dapr_api_token

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            # no limit: requests held up by one backend must not hold up the others
            connector=aiohttp.TCPConnector(limit=0),
            auto_decompress=False,
            # daprd repeats in a header which entries of a bulk publish failed, and why (pkg/api/http, onBulkPublish)
            max_field_size=MAX_FIELD_BYTES,
            headers={CREDENTIAL: self._token.get_secret_value()} if self._token else {},
            # a body that came without a type is handed on without one
            skip_auto_headers=("Content-Type",),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def publish(self, topic: str, record: bytes, encoded_key: str = "") -> None:
        """Publish a record byte by byte, under a percent-encoded partition key."""
        query = "?metadata.rawPayload=true" + (f"&metadata.partitionKey={encoded_key}" if encoded_key else "")
        await self._expect("pubsub", "POST", f"/v1.0/publish/{PUBSUB}/{topic}{query}", record, BINARY)

    async def publish_all(self, topic: str, entries: Sequence[Entry]) -> None:
        """Publish records in one call, in their order. After an error some may be in the topic, and some not."""
        # base64, for daprd reads the numbers of a JSON entry as floats and writes some in another way
        content = [
            {
                "entryId": entry_id,
                "event": b64encode(record).decode(),
                "contentType": BINARY,
                "metadata": {"partitionKey": key} if key else {},
            }
            for entry_id, key, record in entries
        ]
        path = f"/v1.0-alpha1/publish/bulk/{PUBSUB}/{topic}?metadata.rawPayload=true"
        await self._expect("pubsub", "POST", path, to_json(content), JSON)

    async def get_state(self, key: str) -> tuple[bool, Any]:
        """Read what is saved under a key: whether there is a value, and the value."""
        answer = await self._expect("statestore", "GET", f"/v1.0/state/{STATESTORE}/{_segment(key)}")
        return (True, _parse("statestore", answer)) if answer else (False, None)

    async def save_state(self, key: str, value: object) -> None:
        """Save any JSON value under a key."""
        await self._expect("statestore", "POST", f"/v1.0/state/{STATESTORE}", to_json([{"key": key, "value": value}]))

    async def delete_state(self, key: str) -> None:
        """Delete a key, whether it is there or not."""
        await self._expect("statestore", "DELETE", f"/v1.0/state/{STATESTORE}/{_segment(key)}")

    async def metadata(self) -> dict[str, Any]:
        """Read what the sidecar has loaded: components, subscriptions, version."""
        metadata: dict[str, Any] = _parse("dapr", await self._expect("dapr", "GET", "/v1.0/metadata"))
        return metadata

    async def shutdown(self) -> None:
        """Ask the sidecar to end; its container is restarted by the kubelet."""
        await self._expect("dapr", "POST", "/v1.0/shutdown")

    async def invoke(
        self, app_id: str, method: str, path: str, body: bytes, headers: Headers
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Invoke another service; status, headers and body as it said them.

        ServiceError 403 when the other's access control does not allow it.
        """
        status, answered, answer = await self._request(
            app_id, method, f"/v1.0/invoke/{app_id}/method/{path}", body, headers
        )
        if status >= HTTPStatus.BAD_REQUEST and answer.startswith(DAPR_ERRORS):
            if status == HTTPStatus.FORBIDDEN:
                raise ServiceError(status, f"path: {app_id} does not let this service {method} it")
            raise DependencyUnavailableError(app_id, f"the sidecar answered {status}: {_text(answer)}")
        return status, answered, answer

    async def _expect(
        self, dependency: str, method: str, path: str, content: bytes = b"", content_type: str = JSON
    ) -> bytes:
        headers = [("Content-Type", content_type)] if content else []
        status, _, answer = await self._request(dependency, method, path, content, headers)
        if status not in (HTTPStatus.OK, HTTPStatus.NO_CONTENT):
            reason = f"the sidecar answered {status}: {_text(answer)}"
            if REFUSED in answer:
                raise RefusedError(dependency, reason, answer)
            raise DependencyUnavailableError(dependency, reason)
        return answer

    async def _request(
        self, dependency: str, method: str, path: str, content: bytes, headers: Headers
    ) -> tuple[int, Mapping[str, str], bytes]:
        url = URL(self._base + path, encoded=True)
        # the session warns of large bytes, which it would send at one go
        data = BytesIO(content) if len(content) > LARGE_BYTES else content or None
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                return response.status, response.headers, await response.read()
        except TimeoutError as error:
            reason = f"the sidecar did not answer within {self._timeout_seconds:g} s"
            raise DependencyUnavailableError(dependency, reason) from error
        except (aiohttp.ClientError, OSError) as error:
            raise UnreachableError(dependency, f"the sidecar cannot be reached: {error}") from error


def _segment(key: str) -> str:
    """Quote a key as one path segment; daprd would clean `.` and `..` away."""
    return quote(key, safe="").replace(".", "%2E")


def _parse(dependency: str, answer: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return from_json(answer)
    except ValueError as error:
        raise DependencyUnavailableError(dependency, f"the sidecar answered what is not JSON: {error}") from error


def _text(answer: bytes) -> str:
    return answer[:300].decode(errors="replace")
