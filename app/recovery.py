"""When to restart the sidecar: it does not soon retry a Component whose backend was away at its start."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

NEVER = float("-inf")


class Recovery:
    """The rule, without clock or network: one restart for everything, once every backend that it takes is there.

    The kubelet delays a second restart, and each one after it for longer. So none is spent while another would have to
    follow; and for what the last one did not cure, such as a Component that was deleted, one only now and then.
    """

    def __init__(self, grace_seconds: float, interval_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._interval_seconds = interval_seconds
        self._curable_since: float | None = None
        self._restarted_at = NEVER

    def is_due(self, missing: Mapping[str, str] | None, available: AbstractSet[str], now: float) -> bool:
        """Return whether to restart the sidecar now.

        `missing` maps each thing the sidecar lacks to the backend it needs, None while the sidecar does not say;
        `available` has the backends that answer.
        """
        if missing is None:
            self._curable_since = None
            return False
        if not missing or not available >= set(missing.values()):
            self._curable_since = None
            self._restarted_at = NEVER  # the next return of a backend is worth another restart
            return False
        if self._curable_since is None:
            self._curable_since = now
        if now - self._curable_since < self._grace_seconds or now - self._restarted_at < self._interval_seconds:
            return False
        self._restarted_at = now
        return True
