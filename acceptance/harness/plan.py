"""What a run would do, without doing it."""

from collections.abc import Iterator

from acceptance.harness.catalogue import Entry
from acceptance.harness.options import Options


def plan(entries: list[Entry], options: Options) -> Iterator[str]:
    """Order, faults and minutes of the chosen entries, a line each."""
    yield f"plan: tiers {', '.join(options.tiers)}; time scale {options.time_scale:g}; nothing is touched"
    for entry in entries:
        fault = f"{entry.target} {entry.fault}" if entry.fault else "no fault"
        lasts = f" for {entry.lasts_s:g} s" if entry.lasts_s else ""
        lasts += f", {entry.times} times" if entry.times > 1 else ""
        yield f"{entry.id:<40} {entry.minutes:>5.1f} min  {fault}{lasts}"
    yield f"{len(entries)} in all, about {sum(entry.minutes for entry in entries):.0f} min"
