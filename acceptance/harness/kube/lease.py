"""One run at a time on a cluster, whoever starts it and wherever: a Lease, held as controllers hold theirs."""

import getpass
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from threading import Event, Thread
from typing import Any

import urllib3
from kubernetes import client

from acceptance.harness.errors import EnvironmentNotReadyError, NotYetError, UnmetError
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.config_map import TIMEOUT_S, refused
from acceptance.harness.waiting import Waiting

LASTS_S = 20
RENEWED_S = 5


class Lease:
    """A Lease that one holder renews; one that is not renewed for as long as it lasts is nobody's.

    No clock is compared with another machine's: it is watched for that time.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str, holder: str) -> None:
        self._api = client.CoordinationV1Api(cluster.core.api_client)
        self._at = (name, namespace)
        self._holder = holder
        self._version = ""
        self._lost = ""
        self._ending = Event()
        self._renewing = Thread(target=self._renew, name="lease", daemon=True)

    @contextmanager
    def held(self, waiting: Waiting) -> Iterator["Lease"]:
        """Hold it for the length of a block. Raises EnvironmentNotReadyError when another run does."""
        while not self._taken():
            self._outlive(waiting)
        self._renewing.start()
        try:
            yield self
        finally:
            self._ending.set()
            self._renewing.join(2 * TIMEOUT_S)
            self._delete(self._version)

    def require(self) -> None:
        """Raise EnvironmentNotReadyError when it was lost, as by a machine that slept."""
        if self._lost:
            raise EnvironmentNotReadyError(f"this run has lost its hold on the cluster: {self._lost}")

    def _taken(self) -> bool:
        name, namespace = self._at
        try:
            self._keep(self._api.create_namespaced_lease(namespace, self._body(), _request_timeout=TIMEOUT_S))
        except client.ApiException as error:
            if error.status == HTTPStatus.CONFLICT:
                return False
            raise refused(error, f"lease/{name} in {namespace}") from error
        return True

    def _outlive(self, waiting: Waiting) -> None:
        """Return once nobody holds it."""
        first = self._read()
        if first is None:
            return

        def renewed() -> client.V1Lease | None:
            now = self._read()
            if now and _version(now) == _version(first):
                raise NotYetError(f"{_holder(first)} has not renewed it")
            return now

        try:
            now = waiting.until(f"{_holder(first)}, which holds the cluster, to be alive or not", renewed, LASTS_S, 1)
        except UnmetError:
            self._delete(_version(first))
            return
        if now:
            raise EnvironmentNotReadyError(f"another run is at work on this cluster: {_holder(now)}; let it end first")

    def _renew(self) -> None:
        while not self._ending.wait(RENEWED_S):
            try:
                body = self._body(resourceVersion=self._version)
                self._keep(self._api.patch_namespaced_lease(*self._at, body, _request_timeout=TIMEOUT_S))
            except client.ApiException as error:
                if error.status in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                    now = self._read_or_none()
                    self._lost = f"{_holder(now)} took it" if now else "its Lease was deleted"
                    return
            except urllib3.exceptions.HTTPError:
                continue  # the API server may be away for a moment

    def _read(self) -> client.V1Lease | None:
        try:
            return self._api.read_namespaced_lease(*self._at, _request_timeout=TIMEOUT_S)
        except client.ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def _read_or_none(self) -> client.V1Lease | None:
        with suppress(client.ApiException, urllib3.exceptions.HTTPError):
            return self._read()
        return None

    def _delete(self, version: str) -> None:
        """Delete it, unless it was changed since."""
        options = {"preconditions": {"resourceVersion": version}}
        try:
            self._api.delete_namespaced_lease(*self._at, body=options, _request_timeout=TIMEOUT_S)  # type: ignore[arg-type]  # a plain body is as good
        except client.ApiException as error:
            if error.status not in {HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND}:
                raise

    def _keep(self, lease: client.V1Lease) -> None:
        self._version = _version(lease)

    def _body(self, **metadata: str) -> Any:
        spec = {"holderIdentity": self._holder, "leaseDurationSeconds": LASTS_S, "renewTime": _now()}
        return {"metadata": {"name": self._at[0], **metadata}, "spec": spec}


def holder_of(run: str) -> str:
    """How a run is told from others: by its id, and who runs it where."""
    with suppress(OSError, KeyError):
        return f"{run} of {getpass.getuser()} on {socket.gethostname()}"
    return run


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _version(lease: client.V1Lease) -> str:
    return (lease.metadata.resource_version if lease.metadata else None) or ""


def _holder(lease: client.V1Lease) -> str:
    return (lease.spec.holder_identity if lease.spec else None) or "somebody"
