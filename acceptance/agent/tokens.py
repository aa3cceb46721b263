"""The tokens by which app and sidecar know each other."""

from http import HTTPStatus

from kubernetes import client

from acceptance.agent.system import System
from acceptance.harness.suite.masking import Masking

KEY = "token"
ASKS = "dapr.io/api-token-secret"
"""The annotation that makes a sidecar ask."""


def read(system: System, masking: Masking, secret: str) -> str:
    """A token, masked from now on; empty where there is no such Secret."""
    try:
        return masking.hide(system.cluster.secret(system.namespace, secret, KEY))
    except client.ApiException as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return ""


def manifest(system: System, token: str) -> dict[str, object]:
    """The Secret of the sidecars' own token."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": system.names.secrets.api_token, "namespace": system.namespace},
        "stringData": {KEY: token},
    }
