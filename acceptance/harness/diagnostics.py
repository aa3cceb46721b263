"""Why something failed, in at most ten lines."""

from dataclasses import asdict, dataclass

from acceptance.harness.api import Api
from acceptance.harness.catalogue import Entry
from acceptance.harness.errors import UnmetError

WIDTH = 400


@dataclass(frozen=True)
class Explanation:
    """A failure that explains itself."""

    expected: str
    seen: str
    since: str
    cause: str
    look: str
    rerun: str
    details: str

    def lines(self) -> list[str]:
        """At most ten lines for the terminal."""
        return [f"{name + ':':<10}{value[:WIDTH]}" for name, value in asdict(self).items() if value]

    def as_data(self) -> dict[str, str]:
        """This explanation as report.json has it."""
        return asdict(self)


def explain(error: BaseException, entry: Entry, agent: Api | None, details: str) -> Explanation:
    """What was expected, what was seen, the likely cause and what to do next."""
    del agent
    told = error if isinstance(error, UnmetError) else None
    first_line = (str(error).splitlines() or [""])[0]
    return Explanation(
        expected=told.expected if told else entry.checks,
        seen=" ".join((told.seen if told else f"{type(error).__name__}: {first_line}").split()),
        since=f"waited {told.since_s:.1f} s" if told and told.since_s is not None else "",
        cause="",
        look="",
        rerun=f"pytest acceptance -k {entry.id}",
        details=details,
    )
