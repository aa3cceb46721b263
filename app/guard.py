"""Who may deliver events: this pod's own sidecar, known by the app token that it shows."""

from hmac import compare_digest

from pydantic import SecretStr
from starlette.datastructures import Headers

from app.dapr import CREDENTIAL
from app.errors import ServiceError

CALLER = "dapr-caller-app-id"
"""Header of an invocation by another service: the sidecar shows its token with those too."""


class Guard:
    """Tells a delivery from what anybody else sends to the same route."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token.get_secret_value().encode()

    def require_delivery(self, headers: Headers) -> None:
        """Return for a delivery, else raise a ServiceError: 401, that says nothing of the event or the token."""
        shown = headers.getlist(CREDENTIAL)
        if len(shown) != 1 or CALLER in headers or not compare_digest(shown[0].encode("latin-1"), self._token):
            raise ServiceError(401, f"{CREDENTIAL}: only the sidecar delivers events", {"WWW-Authenticate": CREDENTIAL})
