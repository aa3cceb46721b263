"""What the sidecar's health check is told: it subscribes for a healthy app, and unsubscribes for another."""

import logging
from collections import deque
from math import inf

logger = logging.getLogger(__name__)
PROBES = 5
"""So many probes tell at which pace they come."""
MAX_DOUBLINGS = 10
MISSED = 2.4
"""So many times their pace, seconds at least, without any: one or more were answered too late, or not at all.

One may be enough: daprd forgets a late one only after it has given the app up (Dapr 1.18, pkg/apphealth).
"""


class Subscription:
    """The rule, without clock or network: a no is held until the sidecar has unsubscribed, and said again if need be.

    A sidecar that is to subscribe while it still unsubscribes, as after two slow probes, may be left without a consumer
    of a topic, and believes that it has one: the end of the old subscription removes the topic of the new one (Dapr
    1.18, components-contrib, `Kafka.Subscribe`). Nothing but unsubscribing once more helps.
    """

    def __init__(self, unsubscribing_seconds: float, subscribing_seconds: float) -> None:
        self._unsubscribing_seconds = unsubscribing_seconds
        self._subscribing_seconds = subscribing_seconds
        self._paces: deque[float] = deque(maxlen=PROBES)
        self._last_probe = inf
        self._last_yes = -inf
        self._yes_since = self._absent_since = inf
        self._held_until = -inf
        self._was_member = False
        self._tries = 0

    def is_due(self, now: float, *, fit: bool) -> bool:
        """Return whether to tell the sidecar to subscribe, or to stay subscribed, for a replica that is fit or not."""
        if self._missed_probes(now):
            self._held_until = now + self._unsubscribing_seconds
        if not fit:
            self._held_until = max(self._held_until, self._last_yes + self._unsubscribing_seconds)
        says_yes = fit and now >= self._held_until
        if says_yes:
            self._last_yes = now
        self._yes_since = min(self._yes_since, now) if says_yes else inf
        return says_yes

    def observe(self, now: float, *, is_member: bool, is_partial: bool, is_missed: bool) -> None:
        """Take in whether this replica's sidecar is in the group, for some topics only, and whether events miss it.

        A sidecar that never was in it, as far as can be seen, is not missed before events are: it may be behind a NAT.
        """
        if is_member:
            self._was_member, self._tries, self._absent_since = True, 0, inf
            return
        self._absent_since = min(self._absent_since, now)
        # what subscribes is in the group for a part of its topics for a moment only
        patience = self._subscribing_seconds / (2 if is_partial else 1) * 2**self._tries
        since = max(self._absent_since, self._yes_since)
        if now - since < patience or not (self._was_member or is_partial or is_missed):
            return
        logger.warning("The sidecar is not in the consumer group for all its topics: it is told to subscribe anew")
        self._held_until = now + self._unsubscribing_seconds
        # absent, it is told once: it may be there all the same, and its address be seen no more
        self._was_member, self._absent_since = False, inf
        self._tries = min(self._tries + 1, MAX_DOUBLINGS)

    def pause(self) -> None:
        """Forget since when the sidecar is absent: something else keeps it, and is told elsewhere, or nobody knows."""
        self._absent_since = inf

    def _missed_probes(self, now: float) -> bool:
        """Whether none came for so long that the sidecar may have given this app up, and begun to unsubscribe."""
        pace, self._last_probe = now - self._last_probe, now
        missed = len(self._paces) == PROBES and pace > MISSED * max(1.0, *self._paces)
        self._paces.append(max(pace, 0.0))
        return missed
