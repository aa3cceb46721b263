"""One run at a time: who holds the cluster, who has died, and who lost it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event
from typing import Any, cast

import pytest
from kubernetes import client

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube import lease as lease_module
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.kube.config_map import ConfigMap
from acceptance.harness.kube.lease import Lease
from acceptance.harness.waiting import T, Waiting

HERE = ("acceptance", "default")


def refusal(status: int) -> client.ApiException:
    return client.ApiException(status=status, reason="as asked")


@dataclass
class ApiServer:
    """Keeps one Lease and one ConfigMap, and their versions; in a Cluster's place."""

    api_client: None = None
    lease: client.V1Lease | None = None
    data: dict[str, str] | None = None
    version: int = 0
    forbids: bool = False
    renewed: Event = field(default_factory=Event)

    @property
    def core(self) -> "ApiServer":
        """ConfigMaps."""
        return self

    def as_cluster(self) -> Cluster:
        """The server in a Cluster's place."""
        return cast("Cluster", self)

    def write(self, holder: str) -> client.V1Lease:
        """Write the Lease anew."""
        self.version += 1
        about = client.V1ObjectMeta(name="acceptance", resource_version=str(self.version))
        self.lease = client.V1Lease(metadata=about, spec=client.V1LeaseSpec(holder_identity=holder))
        return self.lease

    def create_namespaced_lease(
        self, namespace: str, body: dict[str, Any], *, _request_timeout: float
    ) -> client.V1Lease:
        """Create the Lease."""
        assert (body["metadata"]["name"], namespace) == HERE
        if self.forbids:
            raise refusal(403)
        if self.lease:
            raise refusal(409)
        return self.write(body["spec"]["holderIdentity"])

    def read_namespaced_lease(self, *_: str, _request_timeout: float) -> client.V1Lease:
        """Read the Lease."""
        if self.lease is None:
            raise refusal(404)
        return self.lease

    def patch_namespaced_lease(
        self, _: str, __: str, body: dict[str, Any], *, _request_timeout: float
    ) -> client.V1Lease:
        """Renew the Lease, unless it is another than the one that is known."""
        self.renewed.set()
        if self.lease is None:
            raise refusal(404)
        if body["metadata"]["resourceVersion"] != str(self.version):
            raise refusal(409)
        return self.write(body["spec"]["holderIdentity"])

    def delete_namespaced_lease(self, *_: str, body: dict[str, Any], _request_timeout: float) -> None:
        """Delete the Lease, unless it is another than the one that is known."""
        if self.lease is None:
            raise refusal(404)
        if body["preconditions"]["resourceVersion"] != str(self.version):
            raise refusal(409)
        self.lease = None

    def read_namespaced_config_map(self, *_: str, _request_timeout: float) -> client.V1ConfigMap:
        """Read the ConfigMap."""
        if self.forbids:
            raise refusal(403)
        if self.data is None:
            raise refusal(404)
        return client.V1ConfigMap(data=self.data)

    def create_namespaced_config_map(self, _: str, body: dict[str, Any], *, _request_timeout: float) -> None:
        """Create the ConfigMap."""
        self.data = dict(body["data"])

    def patch_namespaced_config_map(self, _: str, __: str, body: dict[str, Any], *, _request_timeout: float) -> None:
        """Change the ConfigMap."""
        if self.forbids:
            raise refusal(403)
        if self.data is None:
            raise refusal(404)
        changed = self.data | body["data"]
        self.data = {key: value for key, value in changed.items() if value is not None}

    def delete_namespaced_config_map(self, *_: str, _request_timeout: float) -> None:
        """Delete the ConfigMap."""
        self.data = None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ApiServer:
    server = ApiServer()
    monkeypatch.setattr(client, "CoordinationV1Api", lambda _: server)
    monkeypatch.setattr(lease_module, "LASTS_S", 0.3)
    monkeypatch.setattr(lease_module, "RENEWED_S", 0.05)
    return server


def lease_of(server: ApiServer, holder: str = "this") -> Lease:
    name, namespace = HERE
    return Lease(server.as_cluster(), namespace, name, holder)


@dataclass
class Meanwhile(Waiting):
    """Waits, and lets something happen meanwhile."""

    happens: Callable[[], object] = lambda: None

    def until(self, expected: str, probe: Callable[[], T], within_s: float, interval_s: float = 0.2) -> T:
        """Let it happen, and wait."""
        self.happens()
        return super().until(expected, probe, within_s, interval_s)


def test_it_is_held_and_renewed_and_gone_afterwards(server: ApiServer) -> None:
    with lease_of(server).held(Waiting()) as lease:
        assert server.renewed.wait(5)
        lease.require()
        assert server.lease
    assert server.lease is None


def test_who_comes_while_another_is_at_work_is_sent_away(server: ApiServer) -> None:
    server.write("another")
    alive = Meanwhile(happens=lambda: server.write("another"))
    with pytest.raises(EnvironmentNotReadyError, match="another run is at work on this cluster: another"):
        lease_of(server).held(alive).__enter__()
    assert server.lease


def test_what_a_killed_run_held_is_taken_over(server: ApiServer) -> None:
    server.write("killed")
    with lease_of(server).held(Waiting()):
        assert server.lease
        assert server.lease.spec
        assert server.lease.spec.holder_identity == "this"


def test_who_has_lost_it_is_told_and_leaves_it_to_the_other(server: ApiServer) -> None:
    with lease_of(server).held(Waiting()) as lease:
        server.write("another")
        server.renewed.clear()
        assert server.renewed.wait(5)
        lease._renewing.join(5)  # noqa: SLF001 -- it has asked, and is told
        with pytest.raises(EnvironmentNotReadyError, match="lost its hold on the cluster: another took it"):
            lease.require()
    assert server.lease, "it was another's"


def test_without_the_right_to_it_the_environment_is_not_ready(server: ApiServer) -> None:
    server.forbids = True
    with pytest.raises(EnvironmentNotReadyError, match="lease/acceptance in default is not ours"):
        lease_of(server).held(Waiting()).__enter__()
    kept = ConfigMap(server.as_cluster(), "default", "acceptance")
    with pytest.raises(EnvironmentNotReadyError, match="configmap/acceptance in default is not ours"):
        kept["000001"] = "{}"
    with pytest.raises(EnvironmentNotReadyError, match="configmap/acceptance in default is not ours"):
        len(kept)


def test_a_config_map_is_there_only_as_long_as_there_is_something_in_it(server: ApiServer) -> None:
    kept = ConfigMap(server.as_cluster(), "default", "acceptance")
    assert dict(kept) == {}
    kept["1"], kept["2"] = "one", "two"
    assert dict(ConfigMap(server.as_cluster(), "default", "acceptance")) == {"1": "one", "2": "two"}
    del kept["1"]
    assert (dict(kept), server.data) == ({"2": "two"}, {"2": "two"})
    del kept["2"]
    assert server.data is None
    with pytest.raises(KeyError):
        del kept["2"]
