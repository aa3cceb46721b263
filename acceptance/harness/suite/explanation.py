"""A failure explained in at most ten lines."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from acceptance.harness.errors import UnmetError, leaves
from acceptance.harness.kube.cluster import Cluster
from acceptance.harness.suite.catalogue import Entry

WIDTH = 400
LINE = 130
SHOWN = 3
UNKNOWN = "none of the known ones; the files below have the logs and the traceback"


@dataclass(frozen=True)
class Finding:
    """A likely cause and the command that shows more."""

    cause: str
    look: str


@dataclass(frozen=True)
class Diagnosis:
    """How a failure is looked into: where, by whom, and what to look at when no cause is known."""

    cluster: Cluster
    namespaces: tuple[str, ...]
    first_finding: Callable[[Entry], Finding | None]
    look: str


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
    diagnosis: Diagnosis | None,
    rerun: str,
    details: str,
    gone: tuple[str, ...] = (),
    severe: tuple[str, ...] = (),
) -> Explanation:
    """What was expected, what was seen, the likely cause and what to do next.

    `gone` are the logs of containers that are no more, `severe` what was logged as a warning or worse meanwhile.
    """
    told = error if isinstance(error, UnmetError) else None
    plain = "; ".join(f"{type(one).__name__}: {(str(one).splitlines() or [''])[0]}" for one in leaves(error))
    finding = diagnosis.first_finding(entry) if diagnosis else None
    look = finding.look if finding else diagnosis.look if diagnosis else ""
    return Explanation(
        expected=told.expected if told else entry.checks,
        seen=" ".join((told.seen if told else plain).split()),
        since=f"waited {told.since_s:.1f} s" if told and told.since_s is not None else "",
        cause=finding.cause if finding else UNKNOWN,
        logged="" if finding else " | ".join(line[:LINE] for line in severe[-SHOWN:]),
        look=look.replace("kubectl", f"kubectl --context {diagnosis.cluster.kubectl.context}") if diagnosis else look,
        gone=", ".join(gone[:SHOWN]),
        rerun=rerun,
        details=details,
    )
