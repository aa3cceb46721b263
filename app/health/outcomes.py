"""What became of the deliveries, as far as it tells that the database refuses events in a way no check foresees."""

STALE = 2
"""For so many times its patience a refusal is remembered: who it kept waiting is redelivered sooner."""


class Outcomes:
    """The rule, without a clock: events are refused while refusals go on and none is applied in between."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._first: float | None = None
        self._last = 0.0
        self._reason = ""

    def applied(self) -> None:
        """Note that an event was applied, or that refusals have a cause that is told elsewhere."""
        self._first = None

    def refused(self, reason: str, now: float) -> None:
        """Note that the database refused an event."""
        if self._first is None or now - self._last > STALE * self._patience_seconds:
            self._first = now
        self._last, self._reason = now, reason

    def complaints(self, now: float) -> list[str]:
        """Say that no event can be applied, and why; nothing when all is well, or was long enough."""
        if self._first is None or now - self._last > STALE * self._patience_seconds:
            return []
        lasted = self._last - self._first
        return [f"no event could be applied for {lasted:.0f} s: {self._reason}"] * (lasted >= self._patience_seconds)
