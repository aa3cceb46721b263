"""When to restart the sidecar: it does not soon retry a Component whose backend was away at its start."""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from app.sidecar.api import PUBSUB, STATESTORE, SUBSCRIPTIONS

SUBSCRIBING_GRACES = 5
"""Where subscriptions alone are missing, the sidecar first has to find that this replica can apply events again."""


class Recovery:
    """The rule, without clock or network: one restart for everything, once every backend that it takes is back.

    The kubelet delays a second restart, and each one after it for longer. So none is spent while another would have to
    follow, nor for a Component whose backend was there all the while: that one was deleted, and the sidecar loads it by
    itself when it is put back. What is still missing after `interval_seconds` is worth one try all the same; another
    would take from what works for longer, and cure nothing.
    """

    def __init__(self, grace_seconds: float, interval_seconds: float) -> None:
        self._grace_seconds = grace_seconds
        self._interval_seconds = interval_seconds
        self._curable_since: float | None = None
        self._was_away: set[str] = set()
        self._tried_for: set[str] = set()

    def is_in_vain(self, missing: Collection[str]) -> bool:
        """Return whether something was tried for and is missing still: no more restarts are spent then."""
        return bool(self._tried_for.intersection(missing))

    def is_due(self, missing: Mapping[str, AbstractSet[str]] | None, away: AbstractSet[str], now: float) -> bool:
        """Return whether to restart the sidecar now.

        `missing` maps each thing the sidecar lacks to the backends it needs, None while the sidecar does not say;
        `away` has the backends that do not answer.
        """
        if missing is not None and not missing:
            self._was_away.clear()
            self._tried_for.clear()
        missing = missing or {}
        self._was_away |= away
        backends = set().union(*missing.values())
        if not backends or backends & away:
            self._curable_since = None
            return False
        if self._curable_since is None:
            self._curable_since = now
        graces = 1 if any(name.startswith("component") for name in missing) else SUBSCRIBING_GRACES
        was_away = bool(backends & self._was_away)
        patience = self._grace_seconds * graces if was_away else self._interval_seconds
        if now - self._curable_since < patience or (not was_away and self.is_in_vain(missing)):
            return False
        self._curable_since = now
        self._was_away.clear()
        self._tried_for = set() if was_away else set(missing)
        return True


def missing_from(metadata: dict[str, Any]) -> dict[str, AbstractSet[str]]:
    """Return what the agent needs and the sidecar's metadata lacks, with the backends each needs."""
    components = {component.get("name") for component in _entries(metadata, "components")}
    topics = {(entry.get("pubsubname"), entry.get("topic")) for entry in _entries(metadata, "subscriptions")}
    needs = [
        (f"component {PUBSUB}", {"pubsub"}, PUBSUB in components),
        (f"component {STATESTORE}", {"database"}, STATESTORE in components),
    ]
    # the sidecar asks for subscriptions once this replica can apply events
    needs += [
        (f"subscription {entry['topic']}", {"pubsub", "database"}, (entry["pubsubname"], entry["topic"]) in topics)
        for entry in SUBSCRIPTIONS
    ]
    return {name: backends for name, backends, loaded in needs if not loaded}


def _entries(metadata: dict[str, Any], name: str) -> Iterable[dict[str, Any]]:
    return metadata.get(name) or []
