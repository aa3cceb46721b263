"""A ConfigMap as a dictionary: what the next run has to find, on whatever machine that is."""

from collections.abc import Iterator, MutableMapping
from http import HTTPStatus

from kubernetes import client

from acceptance.harness.errors import EnvironmentNotReadyError
from acceptance.harness.kube.cluster import Cluster

TIMEOUT_S = 10


class ConfigMap(MutableMapping[str, str]):
    """The data of a ConfigMap, read and written at once; it is there only as long as there is something in it.

    Raises EnvironmentNotReadyError where we have no right to it, client.ApiException for anything else.
    """

    def __init__(self, cluster: Cluster, namespace: str, name: str) -> None:
        self._core = cluster.core
        self._namespace = namespace
        self._name = name

    def __str__(self) -> str:
        return f"configmap/{self._name} in {self._namespace}"

    def __getitem__(self, key: str) -> str:
        return self._data()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._data())

    def __len__(self) -> int:
        return len(self._data())

    def __setitem__(self, key: str, value: str) -> None:
        body = {"metadata": {"name": self._name}, "data": {key: value}}
        try:
            self._core.patch_namespaced_config_map(self._name, self._namespace, body, _request_timeout=TIMEOUT_S)
        except client.ApiException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise refused(error, str(self)) from error
            self._core.create_namespaced_config_map(self._namespace, body, _request_timeout=TIMEOUT_S)  # type: ignore[arg-type]  # a plain body is as good

    def __delitem__(self, key: str) -> None:
        others = self._data()
        del others[key]
        if others:
            body = {"data": {key: None}}
            self._core.patch_namespaced_config_map(self._name, self._namespace, body, _request_timeout=TIMEOUT_S)
        else:
            self._core.delete_namespaced_config_map(self._name, self._namespace, _request_timeout=TIMEOUT_S)

    def _data(self) -> dict[str, str]:
        try:
            found = self._core.read_namespaced_config_map(self._name, self._namespace, _request_timeout=TIMEOUT_S)
        except client.ApiException as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return {}
            raise refused(error, str(self)) from error
        return dict(found.data or {})


def refused(error: client.ApiException, what: str) -> Exception:
    """What to raise for an answer of the API server: that we have no right to something is no fault of the system."""
    if error.status == HTTPStatus.FORBIDDEN:
        return EnvironmentNotReadyError(f"{what} is not ours to read and write: {error.reason}")
    return error
