"""A failure explained in at most ten lines."""

from dataclasses import asdict, dataclass
from shlex import quote

from acceptance.harness.catalogue import Entry
from acceptance.harness.errors import UnmetError, leaves
from acceptance.harness.names import Names
from acceptance.harness.rules import first_finding
from acceptance.harness.state import State

WIDTH = 400
LINE = 130
SHOWN = 3
TIER_OPTIONS: dict[str, tuple[str, ...]] = {"default": (), "faults": ("--faults",), "endurance": ("--endurance",)}


@dataclass(frozen=True)
class Explanation:
    """A failure that explains itself."""

    expected: str
    seen: str
    since: str
    cause: str
    logged: str
    """The last that was logged as a warning or worse, where no cause is known."""
    look: str
    gone: str
    """Logs of containers that are no more, which `look` cannot show."""
    rerun: str
    details: str

    def lines(self) -> list[str]:
        """At most ten lines for the terminal."""
        return [f"{name + ':':<10}{value[:WIDTH]}" for name, value in asdict(self).items() if value]

    def as_data(self) -> dict[str, str]:
        """The explanation as report.json has it."""
        return asdict(self)


def explain(
    error: BaseException,
    entry: Entry,
    names: Names,
    state: State | None,
    details: str,
    given: tuple[str, ...] = (),
    gone: tuple[str, ...] = (),
    severe: tuple[str, ...] = (),
) -> Explanation:
    """What was expected, what was seen, the likely cause and what to do next, as the run was given its options.

    `gone` are the logs of containers that are no more, `severe` what was logged as a warning or worse meanwhile.
    """
    told = error if isinstance(error, UnmetError) else None
    plain = "; ".join(f"{type(one).__name__}: {(str(one).splitlines() or [''])[0]}" for one in leaves(error))
    if state and entry.fault:
        state.under_fault = frozenset(entry.target.split())
    finding = first_finding(state) if state else None
    look = (
        finding.look
        if finding
        else f"kubectl -n {names.namespace} logs deploy/{names.agent.deployment} -c {names.agent.container}"
    )
    return Explanation(
        expected=told.expected if told else entry.checks,
        seen=" ".join((told.seen if told else plain).split()),
        since=f"waited {told.since_s:.1f} s" if told and told.since_s is not None else "",
        cause=finding.cause if finding else "none of the known ones; the files below have the logs and the traceback",
        logged="" if finding else " | ".join(line[:LINE] for line in severe[-SHOWN:]),
        look=look.replace("kubectl", f"kubectl --context {state.cluster.kubectl.context}") if state else look,
        gone=", ".join(gone[:SHOWN]),
        rerun=" ".join(["pytest acceptance", *TIER_OPTIONS[entry.tier], *map(quote, given), f"-k {entry.id}"]),
        details=details,
    )
