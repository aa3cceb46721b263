"""Who may deliver events: this pod's own sidecar, known by the app token that it shows."""

import logging
from hmac import compare_digest
from ipaddress import ip_address
from time import monotonic

from pydantic import SecretStr
from starlette.types import Scope

from app.errors import ServiceError
from app.sidecar.api import CREDENTIAL

logger = logging.getLogger(__name__)
TOKEN = CREDENTIAL.encode()
CALLER = b"dapr-caller-app-id"
"""Header of an invocation by another service: the sidecar shows its token with those too."""
KEPT_AWAY_SECONDS = 120
"""Then the sidecar may deliver again, and shows which token it has: the other may have been shown by somebody else."""
ESTRANGED = "the sidecar shows another app token than this app has, so none of its events is taken: replace the pod"


class Guard:
    """Tells a delivery from what anybody else sends to the same route, and knows a sidecar that has another token."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token.get_secret_value().encode()
        self._is_known = self._is_doubted = False
        self._estranged_at: float | None = None

    @property
    def is_estranged(self) -> bool:
        """Whether this pod's sidecar has another token: a Secret that changed reaches a container when that starts."""
        return self._estranged_at is not None

    @property
    def is_kept_away(self) -> bool:
        """Whether it is to deliver nothing for the time being."""
        return self._estranged_at is not None and monotonic() - self._estranged_at < KEPT_AWAY_SECONDS

    def meet(self, scope: Scope) -> None:
        """Note which token the sidecar shows as it asks for the subscriptions, as it does at its start."""
        if _may_be_the_sidecar(scope):
            if self._shows_token(scope):
                self._know()
            elif self._is_known:  # started anew, or somebody else: its next delivery tells
                self._is_doubted = True
            else:
                self._keep_away()

    def forget(self) -> None:
        """Forget a sidecar that is away: the next may have another token, and asks nothing before it is to deliver."""
        self._is_known = self._is_doubted = False
        self._estranged_at = None

    def is_delivery(self, scope: Scope) -> bool:
        """Tell whether it is the sidecar that delivers, and know it then."""
        found = not _shown(scope, CALLER) and self._shows_token(scope)
        if found:
            self._know()
        return found

    def require_delivery(self, scope: Scope) -> None:
        """Return for a delivery, else raise a ServiceError: 401, that says nothing of the event or the token."""
        if self.is_delivery(scope):
            return
        # the app started after its sidecar; once that is known, it was somebody else
        if _may_be_the_sidecar(scope) and (self._is_doubted or not self._is_known):
            self._keep_away()
        raise ServiceError(401, f"{CREDENTIAL}: only the sidecar delivers events", {"WWW-Authenticate": CREDENTIAL})

    def _know(self) -> None:
        self._is_known, self._is_doubted = True, False
        self._estranged_at = None

    def _keep_away(self) -> None:
        if not self.is_kept_away:
            self._estranged_at = monotonic()
            logger.warning("Events are left to other replicas: %s", ESTRANGED)

    def _shows_token(self, scope: Scope) -> bool:
        shown = _shown(scope, TOKEN)
        return len(shown) == 1 and compare_digest(shown[0], self._token)


def _may_be_the_sidecar(scope: Scope) -> bool:
    """Whether it came over loopback, with some token, and is not another service's invocation."""
    is_from_here = scope["client"] is not None and _is_loopback(scope["client"][0])
    return is_from_here and bool(_shown(scope, TOKEN)) and not _shown(scope, CALLER)


def _shown(scope: Scope, header: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == header]


def _is_loopback(host: str) -> bool:
    """Tell whether an address is this pod's own, also one of IPv4 as a socket for both families has it."""
    address = ip_address(host)
    return (getattr(address, "ipv4_mapped", None) or address).is_loopback
