"""A stand-in for Kafka: it speaks just enough of the protocol to be asked for its topics, a group, and a log."""

import asyncio
import ssl
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from typing import Any

from aiokafka.coordinator.protocol import ConsumerProtocol  # type: ignore[import-untyped]  # it ships no types
from aiokafka.protocol import (  # type: ignore[import-untyped]  # it ships no types
    admin,
    commit,
    coordination,
    fetch,
    group,
    metadata,
    offset,
)
from aiokafka.protocol.api import RequestHeader_v1  # type: ignore[import-untyped]  # it ships no types

from app.kafka import batches
from app.kafka.group import Partition
from app.sidecar.api import DEAD_LETTER_TOPIC, TOPIC
from tests.app.listener import close

NODE, EARLIEST, UNKNOWN_TOPIC, UNKNOWN_MEMBER = 1, -2, 3, 25
MECHANISM, UNSUPPORTED_MECHANISM, AUTHENTICATION_FAILED = "PLAIN", 33, 58
LARGEST_REQUEST_BYTES = 100 * 1024 * 1024
JOINING, GENERATION = "who joins", 7
PARTITIONS = {TOPIC: 8, DEAD_LETTER_TOPIC: 1}


class StandInBroker:
    """One broker with topics, and the group that consumes them; it can be frozen, stopped and started on its port."""

    def __init__(self) -> None:
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self.passwords: dict[str, str] = {}
        """Of who may come, where everybody has to say who it is; the only mechanism is PLAIN."""
        self.topics = [TOPIC, DEAD_LETTER_TOPIC]
        self.frozen = False
        self.unanswered: set[int] = set()
        """Kinds of requests, by their keys."""
        self.leaderless: set[Partition] = set()
        self.asked_topics: list[list[str]] = []
        """Topics of each question about topics."""
        self.starts: dict[Partition, int] = {}
        self.ends: dict[Partition, int] = {}
        self.committed: dict[Partition, int] = {}
        self.logs: dict[Partition, bytes] = {}
        self.fetches: list[tuple[Partition, int]] = []
        self.members: list[tuple[str, str, Iterable[Partition]]] = []
        """Client id, host and partitions of each member of the group."""
        self.subscribed = [TOPIC, DEAD_LETTER_TOPIC]
        """Topics of each of them."""
        self.unreadable: set[str] = set()
        """Client ids of members that tell what nobody else understands."""
        self.protocol_type = "consumer"
        self.joined: set[str] = set()
        """Ids of who joined the group by itself, and has not left it."""
        self.group_error = 0
        self.asked_for_members = 0
        """How often."""
        self._requests: dict[int, tuple[Any, Callable[[Any], Any]]] = {
            metadata.MetadataRequest_v0.API_KEY: (metadata.MetadataRequest_v0, self._metadata),
            coordination.FindCoordinatorRequest_v0.API_KEY: (coordination.FindCoordinatorRequest_v0, self._coordinator),
            commit.OffsetFetchRequest_v1.API_KEY: (commit.OffsetFetchRequest_v1, self._committed),
            offset.OffsetRequest_v1.API_KEY: (offset.OffsetRequest_v1, self._offsets),
            commit.OffsetCommitRequest_v2.API_KEY: (commit.OffsetCommitRequest_v2, self._commit),
            group.JoinGroupRequest_v2.API_KEY: (group.JoinGroupRequest_v2, self._join),
            group.SyncGroupRequest_v1.API_KEY: (group.SyncGroupRequest_v1, self._sync),
            group.LeaveGroupRequest_v1.API_KEY: (group.LeaveGroupRequest_v1, self._leave),
            admin.DescribeGroupsRequest_v0.API_KEY: (admin.DescribeGroupsRequest_v0, self._group),
            fetch.FetchRequest_v4.API_KEY: (fetch.FetchRequest_v4, self._fetch),
            admin.ApiVersionRequest_v0.API_KEY: (admin.ApiVersionRequest_v0, self._versions),
            admin.SaslHandShakeRequest_v1.API_KEY: (admin.SaslHandShakeRequest_v1, self._handshake),
            admin.SaslAuthenticateRequest_v0.API_KEY: (admin.SaslAuthenticateRequest_v0, self._authenticate),
        }

    async def start(self) -> None:
        """Listen, on the same port as before if there was one."""
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None]] = {}
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self.tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse connections and cut those there are."""
        await close(self._server)
        await asyncio.sleep(0)  # whom it made a task for is known after this
        for connection in self._connections:
            connection.transport.abort()
        await asyncio.gather(*self._connections.values())
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = asyncio.create_task(self._serve(reader, writer))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                if size > LARGEST_REQUEST_BYTES:  # as somebody who wants TLS seems to send
                    break
                content = BytesIO(await reader.readexactly(size))
                api, _, correlation, _ = RequestHeader_v1.SCHEMA.decode(content)
                if not self.frozen and api not in self.unanswered:
                    request, answer = self._requests[api]
                    message = struct.pack(">i", correlation) + answer(request.decode(content)).encode()
                    writer.write(struct.pack(">i", len(message)) + message)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        del self._connections[writer]

    def _versions(self, _: Any) -> Any:  # noqa: ANN401 - it ships no types
        spoken = [(api, request.API_VERSION, request.API_VERSION) for api, (request, _) in self._requests.items()]
        return admin.ApiVersionResponse_v0(0, spoken)

    def _handshake(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        code = 0 if request.mechanism == MECHANISM else UNSUPPORTED_MECHANISM
        return admin.SaslHandShakeResponse_v1(code, [MECHANISM])

    def _authenticate(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        _, user, password = request.sasl_auth_bytes.decode().split("\0")
        is_known = self.passwords.get(user) == password
        told = (0, None) if is_known else (AUTHENTICATION_FAILED, "Authentication failed: Invalid username or password")
        return admin.SaslAuthenticateResponse_v0(*told, b"")

    def _metadata(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        self.asked_topics.append(request.topics)
        topics = [
            (0, topic, [self._partition(Partition(topic, number)) for number in range(PARTITIONS.get(topic, 1))])
            if topic in self.topics
            else (UNKNOWN_TOPIC, topic, [])
            for topic in request.topics or self.topics
        ]
        return metadata.MetadataResponse_v0([(NODE, "127.0.0.1", self.port)], topics)

    def _partition(self, partition: Partition) -> tuple[int, int, int, list[int], list[int]]:
        leader = -1 if partition in self.leaderless else NODE
        return 5 if leader == -1 else 0, partition.number, leader, [NODE], [NODE]

    def _coordinator(self, _: Any) -> Any:  # noqa: ANN401 - it ships no types
        return coordination.FindCoordinatorResponse_v0(self.group_error, NODE, "127.0.0.1", self.port)

    def _committed(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        return commit.OffsetFetchResponse_v1(
            [
                (topic, [(number, self.committed.get(Partition(topic, number), -1), "", 0) for number in numbers])
                for topic, numbers in request.topics
            ]
        )

    def _offsets(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        return offset.OffsetResponse_v1(
            [
                (topic, [(number, 0, -1, self._offset(Partition(topic, number), which)) for number, which in wanted])
                for topic, wanted in request.topics
            ]
        )

    def _offset(self, partition: Partition, which: int) -> int:
        return (self.starts if which == EARLIEST else self.ends).get(partition, 0)

    def _group(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        self.asked_for_members += 1
        members = []
        for number, (client_id, host, partitions) in enumerate(self.members):
            assigned = [(one.topic, [one.number]) for one in partitions]
            assignment = ConsumerProtocol.ASSIGNMENT(0, assigned, b"").encode()
            subscription = ConsumerProtocol.METADATA(0, self.subscribed, b"").encode()
            told = (b"?", b"?") if client_id in self.unreadable else (subscription, assignment)
            members.append((f"{client_id}-{number}", client_id, f"/{host}", *told))
        group = (0, request.groups[0], "Stable", self.protocol_type, "range", members)
        return admin.DescribeGroupsResponse_v0([group])

    def _fetch(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        ((topic, ((number, at, size),)),) = request.topics
        partition = Partition(topic, number)
        self.fetches.append((partition, at))
        end, log = self.ends.get(partition, 0), self.logs.get(partition, b"")
        found = list(batches.read(log))
        log = log[sum(one.size for one in found if one.last < at) :]
        first = next((one.size for one in found if one.last >= at), 0)
        return fetch.FetchResponse_v4(0, [(topic, [(number, 0, end, end, None, log[: max(size, first)])])])

    def _join(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        self.joined.add(JOINING)
        ((protocol, description),) = request.group_protocols
        return group.JoinGroupResponse_v2(0, 0, GENERATION, protocol, JOINING, JOINING, [(JOINING, description)])

    def _sync(self, _: Any) -> Any:  # noqa: ANN401 - it ships no types
        return group.SyncGroupResponse_v1(0, 0, b"")

    def _commit(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        ((topic, ((number, at, _),)),) = request.topics
        is_member = (request.consumer_id, request.consumer_group_generation_id) == (JOINING, GENERATION)
        if is_member and JOINING in self.joined and not self.group_error:
            self.committed[Partition(topic, number)] = at
            return commit.OffsetCommitResponse_v2([(topic, [(number, 0)])])
        return commit.OffsetCommitResponse_v2([(topic, [(number, UNKNOWN_MEMBER)])])

    def _leave(self, request: Any) -> Any:  # noqa: ANN401 - it ships no types
        self.joined.discard(request.member_id)
        return group.LeaveGroupResponse_v1(0, 0)
