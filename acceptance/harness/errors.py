"""The ways a run can end that are not a pass, and the exit code of each."""

from enum import IntEnum

from _pytest.outcomes import Skipped  # `pytest.skip.Exception`, which mypy does not take for a class


class ExitCode(IntEnum):
    """What `pytest acceptance` tells the shell; pytest's own codes keep their meaning."""

    OK = 0
    FAILED = 1
    INTERRUPTED = 2
    NOT_READY = 10
    UNDO_INCOMPLETE = 11


class NotYetError(Exception):
    """What is still missing; waiting longer may help."""


class HopelessError(Exception):
    """Why waiting longer cannot help."""


class NotApplicableError(Skipped):
    """Why a test has nothing to hit here; its entry is `not applicable` in the report."""


class UnmetError(AssertionError):
    """An expectation that did not hold: what was expected, what was last seen, and for how long."""

    def __init__(self, expected: str, seen: object, since_s: float | None = None) -> None:
        super().__init__(f"expected {expected}; seen {seen}")
        self.expected = expected
        self.seen = str(seen)
        self.since_s = since_s


class UnsteadyError(UnmetError):
    """The system is not steady after a fault was undone: whatever came next would fail for that."""


class EnvironmentNotReadyError(Exception):
    """The surroundings, not the system under test, keep the run from saying anything (exit 10)."""


class KubectlError(Exception):
    """A kubectl call that failed: the command and what it said."""


class UndoIncompleteError(Exception):
    """What a run did could not be undone; names what is left to do by hand (exit 11)."""


def expect(holds: object, expected: str, seen: object) -> None:
    """Raise UnmetError unless `holds`."""
    if not holds:
        raise UnmetError(expected, seen)


CAUSES = {EnvironmentNotReadyError: ExitCode.NOT_READY, UndoIncompleteError: ExitCode.UNDO_INCOMPLETE}
# What most needs somebody's hand comes first; what was seen red is red, whatever else could not be seen.
PRECEDENCE = (ExitCode.UNDO_INCOMPLETE, ExitCode.INTERRUPTED, ExitCode.FAILED, ExitCode.NOT_READY)


def leaves(error: BaseException) -> list[BaseException]:
    """The errors that a group holds, at any depth; an error that is no group is its only one."""
    if not isinstance(error, BaseExceptionGroup):
        return [error]
    return [one for inner in error.exceptions for one in leaves(inner)]


def told(error: BaseException) -> str:
    """What an error says, or all that it groups."""
    return "; ".join(map(str, leaves(error)))


def exit_codes(error: BaseException) -> set[int]:
    """The exit codes that an error, or those that it groups, call for by themselves, if any."""
    return {code for one in leaves(error) for kind, code in CAUSES.items() if isinstance(one, kind)}


def most_urgent(codes: set[int], otherwise: int) -> int:
    """The exit code of a run, out of all that were called for."""
    return next((code for code in PRECEDENCE if code in codes), otherwise)
