"""What stops a run, each with the exit code of the table in the README.

    MpimportError
    ├── UsageProblem (2)     wrong usage or configuration; nothing was sent
    ├── TooManyRejected (3)  more rejected than --max-rejected allows
    ├── ServerRefused (4)    the server will not have us: credentials, project, address
    ├── GaveUp (5)           batches that kept failing until --give-up-after
    ├── CannotWrite (5)      rejects that could not be recorded
    ├── BrokenInput (6)      a source ends or breaks in the middle
    ├── AlreadyRunning (7)   the same import is under way; nothing was sent
    └── Unbalanced (70)      the account does not balance: a bug in mpimport

Bad data is never an exception: it is a `records.Reject`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar


class MpimportError(Exception):
    """Something stops the run; the message says what, where and what to do next."""

    exit_code: ClassVar[int] = 70


class UsageProblem(MpimportError):
    """Wrong usage or configuration: all `problems` that were found, told together; nothing was sent."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        """Keep every problem; the message is one line each."""
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems


@contextmanager
def noting(problems: list[str]) -> Iterator[None]:
    """Add to `problems` those that end what is done here, so that more of them are found."""
    try:
        yield
    except UsageProblem as usage:
        problems.extend(usage.problems)


class TooManyRejected(MpimportError):
    """More events were rejected than the user allowed."""

    exit_code = 3


class ServerRefused(MpimportError):
    """No request can succeed until the user mends something: a credential, the project, the address."""

    exit_code = 4


class GaveUp(MpimportError):
    """At least one batch kept failing for as long as the user allowed."""

    exit_code = 5


class BrokenInput(MpimportError):
    """A source broke in the middle; what came before it was read."""

    exit_code = 6


class AlreadyRunning(MpimportError):
    """Another process is at the same import; two at once would do everything twice."""

    exit_code = 7


class Told(Exception):
    """The process ends with this exit code, and all that there is to say of it has been said."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Unbalanced(MpimportError):
    """read != imported + rejected + undelivered: a bug in mpimport, and it is said."""

    exit_code = 70


class CannotWrite(MpimportError):
    """A file that a run writes cannot be written; what could not be recorded counts as undelivered."""

    exit_code = 5
