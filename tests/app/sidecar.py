"""A stand-in for daprd: the same paths and status codes, and it can be told to fail or to hang."""

import asyncio
import json
import posixpath
import re
from base64 import b64decode, b64encode
from typing import Any
from urllib.parse import unquote, unquote_plus
from uuid import uuid4

from aiohttp import web

from app.sidecar.api import PUBSUB, STATESTORE, SUBSCRIPTIONS, TOPIC


class StandInSidecar:
    """What a test sees and sets of the sidecar."""

    def __init__(self) -> None:
        self.port = 0
        self.published: list[dict[str, Any]] = []
        self.records: list[tuple[str, bytes]] = []
        """Topic and bytes of everything published."""
        self.state: dict[str, Any] = {}
        self.components = [PUBSUB, STATESTORE]
        self.subscriptions: list[dict[str, Any]] = SUBSCRIPTIONS
        self.shutdowns = 0
        self.requests: list[str] = []
        self.hanging = False
        self.metadata_seconds = 0.0
        """What it takes to say what it has loaded."""
        self.answers = asyncio.Event()
        """Not set while it does what it is asked to publish, and does not say so."""
        self.answers.set()
        self.broken: dict[str, int] = {}
        """First path segment to the status it answers instead of working."""
        self.losing_entries = 0
        """How many entries of bulk publishes are still to fail, each for itself, as when the broker is just back."""
        self.refused: set[str] = set()
        """Ids of events that Kafka does not take."""
        self.largest = 2_000_000
        """Bytes of a record that Kafka takes."""
        self.told_of_size = "kafka server: Message was too large, server rejected it to avoid allocation error"
        """Why it takes no larger one."""
        self.told = "told to fail"
        """Why it does not."""
        self.refusal_seconds = 0.0
        """What Kafka takes to refuse an event."""
        self.invoked: list[dict[str, Any]] = []
        self.invoke_answer = (200, "application/json", b"{}")
        self.invoke_headers: dict[str, str] = {}
        """Headers of that answer beside its content type."""
        self.token = ""
        """What it asks of whoever calls; nothing when empty."""

    async def start(self, port: int = 0) -> None:
        """Listen on a loopback port, a free one unless given."""
        app = web.Application(client_max_size=4 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening and cut the connections."""
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.raw_path}")
        if self.hanging:
            await asyncio.Event().wait()
        if self.token and request.headers.getall("dapr-api-token", []) != [self.token]:
            return web.Response(status=401, text="invalid api token\n")
        # daprd cleans the path as it was encoded, then decodes each part
        path = posixpath.normpath(request.rel_url.raw_path)
        _, version, area, *parts = path.split("/")
        bulk = version == "v1.0-alpha1" and parts[:1] == ["bulk"]
        assert version == "v1.0" or bulk, f"not a path of daprd: {path}"
        if area in self.broken:
            return _error(self.broken[area], "ERR_BROKEN", "told to fail")
        parts = [unquote_plus(part) for part in parts] if area != "invoke" else unquote("/".join(parts)).split("/")
        answer: web.Response = await getattr(self, f"_{area}_bulk" if bulk else f"_{area}")(request, *parts)
        return answer

    async def _publish(self, request: web.Request, pubsub: str, topic: str) -> web.Response:
        if pubsub not in self.components:
            return _error(404, "ERR_PUBSUB_NOT_FOUND", f"pubsub {pubsub} is not found")
        record = await request.read()
        assert request.query.get("metadata.rawPayload") == "true", "daprd would write the event anew"
        event = _event(record)
        data = event.get("data")
        # a letter is told by the event that it is about
        told = data.get("id") if isinstance(data, dict) else None
        if {event.get("id"), told} & self.refused:
            return _error(500, "ERR_PUBSUB_PUBLISH_MESSAGE", "told to fail")
        if len(record) > self.largest:
            return _error(500, "ERR_PUBSUB_PUBLISH_MESSAGE", self.told_of_size)
        self._keep(topic, record, event, dict(request.query))
        await self.answers.wait()
        return web.Response(status=204)

    async def _publish_bulk(self, request: web.Request, _: str, pubsub: str, topic: str) -> web.Response:
        if pubsub not in self.components:
            return _error(404, "ERR_PUBSUB_NOT_FOUND", f"pubsub {pubsub} is not found")
        entries = json.loads(await request.read())
        assert len({entry["entryId"] for entry in entries}) == len(entries)
        lost, entries = entries[: self.losing_entries], entries[self.losing_entries :]
        self.losing_entries -= len(lost)
        failed = [entry["entryId"] for entry in lost]
        assert request.query.get("metadata.rawPayload") == "true", "daprd would write the events anew"
        for entry in entries:
            assert entry["contentType"] == "application/octet-stream", "daprd would read the numbers as floats"
            record = b64decode(entry["event"], validate=True)
            event = json.loads(record)
            if event["id"] in self.refused:
                failed.append(entry["entryId"])
                continue
            query = {f"metadata.{name}": value for name, value in entry["metadata"].items()}
            self._keep(topic, record, event, query)
        if not failed:
            return web.Response(status=204)
        await asyncio.sleep(self.refusal_seconds)
        entries = [{"entryId": one, "error": self.told} for one in failed]
        answer = _error(500, "ERR_PUBSUB_PUBLISH_MESSAGE", failedEntries=entries)
        answer.headers["responseData"] = str(answer.text)  # as daprd does, however long it is
        return answer

    def _keep(self, topic: str, record: bytes, event: dict[str, Any], query: dict[str, str]) -> None:
        query.pop("metadata.rawPayload", None)
        self.records.append((topic, record))
        self.published.append(event | {"topic": topic, "query": query})

    async def _state(self, request: web.Request, store: str, key: str = "") -> web.Response:
        if store not in self.components:
            return _error(500, "ERR_STATE_STORE_NOT_CONFIGURED", "state store is not configured")
        if request.method == "POST":
            # as Go reads numbers
            for entry in json.loads(await request.read(), parse_int=lambda digits: int(float(digits))):
                self.state[entry["key"]] = entry["value"]
            return web.Response(status=204)
        if "||" in key:
            return _error(400, "ERR_STATE_STORE_INVALID_KEY_NAME", "can't contain '||'")
        if request.method == "DELETE":
            self.state.pop(key, None)
        if request.method == "GET" and key in self.state:
            return web.json_response(self.state[key])
        return web.Response(status=204)

    async def _metadata(self, _: web.Request) -> web.Response:
        await asyncio.sleep(self.metadata_seconds)
        components = [{"name": name, "type": "any", "version": "v1"} for name in self.components]
        return web.json_response({"id": "agent", "components": components, "subscriptions": self.subscriptions})

    async def _shutdown(self, _: web.Request) -> web.Response:
        self.shutdowns += 1
        return web.Response(status=204)

    async def _invoke(self, request: web.Request, app_id: str, _: str, *path: str) -> web.Response:
        body = await request.read()
        # what daprd takes for the address of the other service, and cannot be sent on, is refused
        address = posixpath.normpath("/".join(path))
        if set("#?") & set(address) or re.search("%(?![0-9A-Fa-f]{2})", address):
            return _error(500, "ERR_DIRECT_INVOKE", f"failed to invoke, id: {app_id}, err: invalid method: {address}")
        call = {
            "app_id": app_id,
            "method": request.method,
            "path": address,
            "headers": request.headers,
            "query": request.rel_url.raw_query_string,
        }
        self.invoked.append(call | {"body": body, "type": request.headers.get("Content-Type")})
        status, content_type, answer = self.invoke_answer
        return web.Response(status=status, body=answer, headers={"Content-Type": content_type} | self.invoke_headers)


def as_delivered(record: bytes, topic: str = TOPIC) -> bytes:
    """Wrap a record as daprd does where the subscription says `rawPayload`: under an id that is new each time."""
    envelope = {
        "id": str(uuid4()),
        "specversion": "1.0",
        "datacontenttype": "application/octet-stream",
        "source": "Dapr",
        "type": "com.dapr.event.sent",
        "topic": topic,
        "pubsubname": PUBSUB,
        "data_base64": b64encode(record).decode(),
    }
    return json.dumps(envelope).encode()


def _event(record: bytes) -> dict[str, Any]:
    try:
        event = json.loads(record)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def _error(status: int, code: str, message: str = "", **members: object) -> web.Response:
    text = json.dumps({"errorCode": code, "message": message} | members, separators=(",", ":"))
    return web.Response(status=status, text=text, content_type="application/json")
