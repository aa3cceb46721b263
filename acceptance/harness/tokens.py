"""The tokens by which app and sidecar know each other."""

from http import HTTPStatus

from kubernetes import client

from acceptance.harness import system
from acceptance.harness.cluster import Cluster
from acceptance.harness.masking import Masking

APP, SIDECAR = "dapr-app-token", "dapr-api-token"
"""Secrets: what the sidecar shows the app, and what it asks of whoever calls it."""
KEY = "token"
ASKS = "dapr.io/api-token-secret"
"""The annotation that makes a sidecar ask."""


def read(cluster: Cluster, masking: Masking, secret: str) -> str:
    """A token, masked from now on; empty where there is no such Secret."""
    try:
        return masking.hide(cluster.secret(system.NAMESPACE, secret, KEY))
    except client.ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return ""


def manifest(token: str) -> dict[str, object]:
    """The Secret of the sidecars' own token."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SIDECAR, "namespace": system.NAMESPACE},
        "stringData": {KEY: token},
    }
