"""Which entries of the criteria file a run takes, and in which order."""

from collections.abc import Callable, Iterator

import pytest

from acceptance.harness.suite.catalogue import Entry
from acceptance.harness.suite.options import Options

# The last net only, around the test alone: every wait has a deadline of its own, and fixtures may create a cluster.
NET_FACTOR = 4
NET_S = 120


class Selection:
    """The plugin that chooses, orders, and prints the plan."""

    def __init__(self, options: Options, show: Callable[[str], None]) -> None:
        self._options = options
        self._show = show

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run a test once for each entry that it proves. Raises pytest.UsageError for an entry that does not exist."""
        for mark in metafunc.definition.iter_markers("proves"):
            entries = self._options.catalogue.entries
            if unknown := [one for one in mark.args if one not in entries]:
                raise pytest.UsageError(f"{metafunc.definition.nodeid} proves {', '.join(unknown)}: no such entry")
            chosen = [entries[one] for one in mark.args]
            params = [pytest.param(one, id=one.id, marks=getattr(pytest.mark, one.tier)) for one in chosen]
            if "entry" not in metafunc.fixturenames:
                # a test that asks for no bound proves one all the same
                metafunc.fixturenames.append("entry")
            metafunc.parametrize("entry", params)

    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Run what the chosen tiers hold, in the order of the criteria file."""
        if session.testsfailed and not config.option.continue_on_collection_errors:
            # pytest's own way ends with 2, as if somebody had interrupted the run.
            raise pytest.UsageError("a test file cannot be read")
        proofs = [(item, entry) for item in items if (entry := entry_of(item))]
        order = list(self._options.catalogue.entries)
        proofs.sort(key=lambda proof: order.index(proof[1].id))
        chosen = [(item, entry) for item, entry in proofs if entry.tier in self._options.tiers]
        for item, entry in chosen:
            net_s = (NET_FACTOR * 60 * entry.minutes + NET_S) * self._options.time_scale
            item.add_marker(pytest.mark.timeout(net_s, func_only=True))
        ours, kept = [item for item, _ in proofs], [item for item, _ in chosen]
        config.hook.pytest_deselected(items=[item for item in ours if item not in kept])
        items[:] = [item for item in items if item not in ours] + kept

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool | None:
        """Print the plan instead of running, when only that is asked for."""
        if not self._options.plan:
            return None
        for line in plan([entry for item in session.items if (entry := entry_of(item))], self._options):
            self._show(line)
        return True


def entry_of(item: pytest.Item) -> Entry | None:
    """The entry of the criteria file that a test proves; None for a test that proves none."""
    if not isinstance(item, pytest.Function) or not item.get_closest_marker("proves"):
        return None
    entry = item.callspec.params.get("entry")
    return entry if isinstance(entry, Entry) else None


def plan(entries: list[Entry], options: Options) -> Iterator[str]:
    """Order, faults and minutes of the chosen entries, a line each."""
    yield f"plan: tiers {', '.join(options.tiers)}; time scale {options.time_scale:g}; nothing is touched"
    for entry in entries:
        fault = f"{entry.target} {entry.fault}" if entry.fault else "no fault"
        lasts = f" for {entry.lasts_s:g} s" if entry.lasts_s else ""
        lasts += f", {entry.times} times" if entry.times > 1 else ""
        yield f"{entry.id:<40} {entry.minutes:>5.1f} min  {fault}{lasts}"
    yield f"{len(entries)} in all, about {sum(entry.minutes for entry in entries):.0f} min"
