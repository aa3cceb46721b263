"""When to restart the sidecar: it never retries a Component whose backend was away at its start."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet


class Recovery:
    """The rule, without clock or network: restart for what stays missing although its backend is there.

    The interval is kept per missing thing: with both backends away at the start and coming back one after the other,
    each needs a restart of its own.
    """

    def __init__(self, grace_seconds: float, interval_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._interval_seconds = interval_seconds
        self._missing_since: dict[str, float] = {}
        self._restarted_at: dict[str, float] = {}

    def due(self, missing: Mapping[str, str], available: AbstractSet[str], now: float) -> list[str]:
        """Return the things to restart the sidecar for now, none most of the time.

        `missing` maps each thing the sidecar lacks to the backend it needs, `available` has the backends that answer.
        """
        curable = [name for name, backend in missing.items() if backend in available]
        self._missing_since = {name: self._missing_since.get(name, now) for name in curable}
        due = [name for name in curable if self._is_due(name, now)]
        if due:
            # one restart serves everything curable
            self._restarted_at.update(dict.fromkeys(curable, now))
            self._missing_since.clear()
        return due

    def _is_due(self, name: str, now: float) -> bool:
        restarted_at = self._restarted_at.get(name, -self._interval_seconds)
        long_missing = now - self._missing_since[name] >= self._grace_seconds
        return long_missing and now - restarted_at >= self._interval_seconds
