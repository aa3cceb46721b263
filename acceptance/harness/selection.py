"""Which entries of the criteria file a run takes, and in which order."""

from collections.abc import Callable

import pytest

from acceptance.harness.catalogue import ENTRIES, Entry
from acceptance.harness.options import Options
from acceptance.harness.plan import plan

# The last net only, around the test alone: every wait has a deadline of its own, and fixtures may create a cluster.
NET_FACTOR = 4
NET_S = 120


class Selection:
    """The plugin that chooses, orders, and prints the plan."""

    def __init__(self, options: Options, show: Callable[[str], None]) -> None:
        self._options = options
        self._show = show

    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Run what the chosen tiers hold, in the order of the criteria file."""
        if session.testsfailed and not config.option.continue_on_collection_errors:
            # pytest's own way ends with 2, as if somebody had interrupted the run.
            raise pytest.UsageError("a test file cannot be read")
        proofs = [(item, entry) for item in items if (entry := entry_of(item))]
        order = list(ENTRIES)
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
    entry = (
        item.callspec.params.get("entry") if isinstance(item, pytest.Function) and hasattr(item, "callspec") else None
    )
    return entry if isinstance(entry, Entry) else None
