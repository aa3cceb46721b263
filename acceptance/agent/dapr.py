"""What of Dapr is the agent's: its control plane, the calls in a sidecar's log, the tokens, and what a port says."""

import re
import socket
import ssl
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from itertools import pairwise

from kubernetes import client

from acceptance.agent.system import System
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.objects import Pod
from acceptance.harness.suite.artifacts import Masking

REQUIRED = ("dapr-operator", "dapr-sentry", "dapr-sidecar-injector")
"""No sidecar is injected, and none starts, without these; the others may be scaled to 0 by who does not need them."""
ADDRESSES = ("--placement-host-address", "--scheduler-host-address")


def absent_of_control_plane(workloads: Collection[str], arguments: Sequence[str]) -> list[str]:
    """Names of what does not exist though it has to, or though a sidecar with these arguments is told to go there."""
    told = [value for name, value in pairwise(arguments) if name in ADDRESSES]
    told += [value for one in arguments for name, _, value in [one.partition("=")] if name in ADDRESSES]
    services = {address.strip().partition(".")[0].partition(":")[0] for value in told for address in value.split(",")}
    # one Service for each of the Scheduler's instances: dapr-scheduler-server-a
    gone = [one for one in services if one and not any(f"{one}-".startswith(f"{name}-") for name in workloads)]
    return sorted({*REQUIRED} - {*workloads} | {*gone})


CALL = re.compile(
    r'^time="(?P<time>[^"]+)".* msg="HTTP API Called".* duration=(?P<ms>\d+).* method="(?P<method>[^"]+)"'
)


def calls(cluster: Cluster, pod: Pod, method: str, since: float, until: float) -> list[str]:
    """Log lines of the API calls that began in a span of the monotonic clock, by how their method and path begin."""
    to_wall = time.time() - time.monotonic()
    lines = cluster.kubectl.run("-n", pod.namespace, "logs", pod.name, "-c", "daprd", "--since=30m").splitlines()
    found = [(line, one) for line in lines if (one := CALL.search(line)) and one["method"].startswith(method)]

    def began(one: re.Match[str]) -> float:
        ended = datetime.fromisoformat(one["time"]).astimezone(UTC).timestamp()
        return ended - int(one["ms"]) / 1000 - to_wall

    return [line for line, one in found if since <= began(one) < until]


KEY = "token"
ASKS = "dapr.io/api-token-secret"
"""The annotation that makes a sidecar ask."""


def read_token(system: System, masking: Masking, secret: str) -> str:
    """A token, masked from now on; empty where there is no such Secret."""
    try:
        return masking.hide(system.cluster.secret(system.namespace, secret, KEY))
    except client.ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return ""


def token_secret(system: System, token: str) -> dict[str, object]:
    """The Secret of the sidecars' own token."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": system.names.secrets.api_token, "namespace": system.namespace},
        "stringData": {KEY: token},
    }


# The connection preface and an empty SETTINGS frame: how an HTTP/2 client without TLS begins.
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
SETTINGS_FRAME = 4


@dataclass(frozen=True)
class Answer:
    """What a port said to a plaintext HTTP/2 client, and whether it can speak TLS at all."""

    plaintext: bytes
    tls: bool

    @property
    def plaintext_http2(self) -> bool:
        """Whether it went on in plaintext: its first frame is SETTINGS."""
        return len(self.plaintext) > SETTINGS_FRAME and self.plaintext[3] == SETTINGS_FRAME


def first_answer(address: str, timeout_s: float = 5) -> Answer:
    """Ask one port both ways."""
    host, _, port = address.partition(":")
    return Answer(_plaintext(host, int(port), timeout_s), _tls(host, int(port), timeout_s))


def _plaintext(host: str, port: int, timeout_s: float) -> bytes:
    with socket.create_connection((host, port), timeout=timeout_s) as connection:
        connection.sendall(HTTP2_HELLO)
        try:
            return connection.recv(64)
        except OSError:
            return b""


def _tls(host: str, port: int, timeout_s: float) -> bool:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), timeout=timeout_s) as connection,
            context.wrap_socket(connection) as tls,
        ):
            return tls.version() is not None
    except ssl.SSLError as error:
        # An alert that asks for a certificate is TLS too; an answer that is no TLS record is not.
        return "ALERT" in str(error).upper()
    except OSError:
        return False
